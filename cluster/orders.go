package cluster

import (
	"time"

	"fleet/unit"
)

// Orders are everything one machine has to run. The engine writes them, as one
// record per machine. A machine obeys only orders addressed to its present session.
type Orders struct {
	Machine MachineID
	Session Session       // the session they are addressed to
	Lease   time.Duration // how long that session's lease lives, if it has a fence; 0: it has none, or an older engine wrote this
	Units   map[unit.Name]Order

	// Left are the units that these orders do not name although the machine may still have them: it had not said
	// that they are gone when these were written. One that has taken in these orders and reports no such unit has it no more.
	Left map[unit.Name]Left

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
	// Unbound: with Fence, what runs there may be a copy from before the unit said AtMostOnce, which no fence ends. The
	// engine takes that back when the machine has carried the order out.
	Unbound bool
	// Takes is the machine that has the unit until it is up here, and gives it up then; empty: none. Once that
	// machine's orders do not name the unit any more it has no meaning.
	Takes MachineID
}

// Left is a unit that a machine may still have although it is not ordered to.
type Left struct {
	Unbound bool // no fence ends it
}

// Loose tells whether a machine of which nothing is heard may, by its orders, run a copy of the unit that no fence ends.
func (o Orders) Loose(name unit.Name) bool {
	order, ordered := o.Units[name]
	return ordered && (order.Fence == 0 || order.Unbound) || o.Left[name].Unbound
}
