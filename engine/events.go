package engine

import (
	"maps"
	"time"

	"fleet/cluster"
	"fleet/engine/schedule"
)

// Events tell what an engine does, for whoever counts. Those that are nil are not told. They are called by
// the goroutine that leads, and Queued by the one that follows the store too, which go on when they return.
type Events struct {
	Began   func(at time.Time) // a term
	Ended   func()             // that term
	Decided func(Round)
	// Alarm tells of an alarm that stands, unacknowledged, or no more. When a term ends none stands as far as its engine knows.
	Alarm func(name cluster.AlarmName, stands bool)
	// Homeless tells how many units have no machine for a reason, one of schedule.Reasons, whenever that is
	// another number. When a term ends there are none as far as its engine knows.
	Homeless func(reason string, units int)
	// Queued tells how many updates of the store wait for the next round, at most MailboxLimit, and Space how full the
	// store is. Other goroutines call them.
	Queued func(updates int)
	Space  func(cluster.Space)
}

// Round is one look of the brain at all that is new, and the writing of what it decided.
type Round struct {
	Took   time.Duration // with the writing
	Brain  time.Duration // of that, taking in what is new, and deciding
	Writes int           // transactions
	Done   Tasks         // written
	Failed Tasks         // not written, or not known to be

	Orphaned int // units whose machine was lost
	Changed  int // orders that say something new of a unit which stays where it is
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

func (e Events) homeless(reason string, units int) {
	if e.Homeless != nil {
		e.Homeless(reason, units)
	}
}

func (e Events) queued(updates int) {
	if e.Queued != nil {
		e.Queued(updates)
	}
}

func (e Events) alarm(name cluster.AlarmName, stands bool) {
	if e.Alarm != nil {
		e.Alarm(name, stands)
	}
}

func (e Events) space(is cluster.Space) {
	if e.Space != nil {
		e.Space(is)
	}
}

// wrote counts a step that was written.
func (r *Round) wrote(step schedule.Step) {
	r.Writes++
	r.Done.count(step)
	for _, n := range step.Notes {
		switch {
		case n.Barred:
			r.Barred++
		case n.Action == schedule.Pend:
			r.Pending++
		case n.Action == schedule.Change:
			r.Changed++
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

// homeless tells whoever counts how many units have no machine, and why.
type homeless struct {
	events Events
	told   map[string]int
}

func (h *homeless) tell(now map[string]int) {
	for reason, units := range now {
		if h.told[reason] != units {
			h.events.homeless(reason, units)
		}
	}
	for reason, units := range h.told {
		if _, still := now[reason]; !still && units > 0 {
			h.events.homeless(reason, 0)
		}
	}
	h.told = maps.Clone(now)
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
