package cluster

import (
	"time"

	"fleet/unit"
)

// Orders are everything one machine has to run. The engine writes them, as one
// record per machine. A machine obeys only orders addressed to its present session.
type Orders struct {
	Machine MachineID
	Session Session // the session they are addressed to
	Units   map[unit.Name]Order

	// Revision is the store's revision of the last write of this record. It is not stored in it.
	Revision int64
}

// Order is what one machine has to do with one unit.
type Order struct {
	Content    unit.ContentID
	Desired    DesiredState // Loaded or Launched; a unit wanted inactive is in no orders
	Generation int64        // Unit.Generation that this order expresses
	Restart    int64        // Unit.Restart
	Move       int64        // Unit.Move: the last request to move it that was carried out or refused
	Global     bool         // one copy on every eligible machine, this is one of them
	Reason     string       // why here, for people
	Since      time.Time    // when the engine placed the unit on this machine, the engine's clock

	// Fence is the fencing number of a unit that says AtMostOnce: greater than in every order for it before this
	// one. 0: the unit does not say so.
	Fence  int64
	Freeze bool // OnFence=freeze
	// Takes is the machine that has the unit until it is up here, and gives it up then; empty: none. Once that
	// machine's orders do not name the unit any more it has no meaning.
	Takes MachineID
}
