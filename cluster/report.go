package cluster

import (
	"slices"
	"time"

	"fleet/unit"
)

// Report is everything one machine's systemd says about fleet's units there.
// The machine's agent writes it, bound to the lease of its session: when the
// machine is lost its report is gone too, so an old value is never taken for a present one.
type Report struct {
	Machine MachineID
	Session Session

	// Orders is the revision of the orders that the agent had taken in when it
	// wrote this report; 0 if it has seen none addressed to this session. A unit that is
	// absent here and absent from those orders is gone from the machine.
	Orders int64

	// Units has every unit of fleet that is on the machine (its file is there, or an order
	// names it), whatever its state.
	Units map[unit.Name]UnitReport

	At time.Time // when it was written, the machine's clock

	// Revision is the store's revision of the last write of this record. It is not stored in it.
	Revision int64
}

// UnitReport is what a machine says about one unit.
type UnitReport struct {
	unit.State

	Content    unit.ContentID // of the file on the machine; empty if there is none
	Generation int64          // last generation that was carried out, with whatever result; 0 if none
	Tried      int64          // last generation that was attempted; greater than Generation while Error stands
	Job        unit.JobResult // how systemd ended the last job the agent asked for
	Error      string         // why the agent could not carry out the order, in words; it tries again
	Log        []string       // last lines of the journal, only for a unit that failed
}

// Equal tells whether two reports say the same.
func (r UnitReport) Equal(o UnitReport) bool {
	sameTime := r.Since.Equal(o.Since)
	r.Since, o.Since = time.Time{}, time.Time{}
	return sameTime && r.State == o.State &&
		r.Content == o.Content && r.Generation == o.Generation && r.Tried == o.Tried &&
		r.Job == o.Job && r.Error == o.Error && slices.Equal(r.Log, o.Log)
}
