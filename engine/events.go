package engine

import (
	"time"

	"fleet/cluster"
	"fleet/engine/schedule"
)

// Events tell what an engine does, for whoever counts. Those that are nil are not told. They are called by
// the goroutine that leads, which goes on when they return.
type Events struct {
	Began   func(at time.Time) // a term
	Ended   func()             // that term
	Decided func(Round)
	// Alarm tells of an alarm that stands, unacknowledged, or no more. When a term ends none stands as far as its engine knows.
	Alarm func(name cluster.AlarmName, stands bool)
}

// Round is one look of the brain at all that is new, and the writing of what it decided.
type Round struct {
	Took   time.Duration
	Done   Tasks // written
	Failed Tasks // not written, or not known to be

	Orphaned int // units whose machine was lost
	Barred   int // units that were taken off a machine because the rules do not allow them there any more
	Pending  int // units that were found to have no machine, or for other reasons than before
}

// Tasks are what orders are about.
type Tasks struct {
	Place    int // a unit onto a machine
	Withdraw int // a unit off a machine
}

func (e Events) began(at time.Time) {
	if e.Began != nil {
		e.Began(at)
	}
}

func (e Events) ended() {
	if e.Ended != nil {
		e.Ended()
	}
}

func (e Events) decided(r Round) {
	if e.Decided != nil {
		e.Decided(r)
	}
}

func (e Events) alarm(name cluster.AlarmName, stands bool) {
	if e.Alarm != nil {
		e.Alarm(name, stands)
	}
}

// wrote counts a step that was written.
func (r *Round) wrote(step schedule.Step) {
	r.Done.count(step)
	for _, n := range step.Notes {
		switch {
		case n.Barred:
			r.Barred++
		case n.Action == schedule.Pend:
			r.Pending++
		}
	}
}

func (t *Tasks) count(step schedule.Step) {
	for _, n := range step.Notes {
		switch n.Action {
		case schedule.Place:
			t.Place++
		case schedule.Withdraw:
			t.Withdraw++
		}
	}
}

// placements are how many units each machine was ordered to have, as told by the store.
type placements map[cluster.MachineID]int

// take takes in an update, and returns how many units were on machines that were lost by it.
func (p placements) take(u cluster.Update) (orphaned int) {
	if u.Reset {
		clear(p)
	}
	for _, change := range u.Changes {
		switch c := change.(type) {
		case cluster.OrdersChanged:
			delete(p, c.ID)
			if c.Orders != nil {
				p[c.ID] = len(c.Orders.Units)
			}
		case cluster.MachineChanged:
			if c.Machine == nil {
				orphaned += p[c.ID]
			}
		}
	}
	return orphaned
}
