package schedule

import (
	"time"

	"fleet/cluster"
)

// A unit with AtMostOnce=yes runs only on machines with a fence, which ends it before the machine's lease ends. So
// when the machine is lost, the unit does not run there any more. The number in its orders, which its
// process sees, only grows: whatever it writes to can refuse those that come with an older one.

// fencing is whether a present machine can be relied upon to end such units in time.
type fencing struct {
	sound bool      // its fence is there, and ends them before the lease does
	since time.Time // since when units wait there for it; zero: none does
	spent bool      // they have waited for so long that they had better run elsewhere
}

func exclusive(t *task) bool { return t.rules.AtMostOnce }

func placeAtMostOnce(_ *State, _ group, _ *task, m *machine) fit {
	if !m.fencing.sound {
		return never("have no fence")
	}
	return fit{}
}

// keepAtMostOnce: a unit that was ordered with a number stays where it is while the fence is away for a moment: it is down,
// and is started again when the fence is back. One that has just come to say AtMostOnce cannot stay without.
func keepAtMostOnce(s *State, t *task, m *machine) (bool, string) {
	if !t.rules.AtMostOnce || m.record == nil || m.fencing.sound {
		return true, ""
	}
	if m.written == nil || m.written.Units[t.name].Fence == 0 || m.fencing.spent {
		return false, "have no fence"
	}
	if m.fencing.since.IsZero() {
		m.fencing.since = s.now
	}
	s.losses.unfenced.add(m)
	return true, ""
}

// refreshFencing follows a change of the machine's record.
func (s *State) refreshFencing(m *machine) {
	if sound := m.record != nil && m.record.Fence.Check() == nil; sound || m.record == nil {
		m.fencing = fencing{sound: sound}
		s.losses.unfenced.drop(m)
		return
	}
	m.fencing.sound = false
}

// spentAt is when the fence of a machine has been away for too long.
func (s *State) spentAt(m *machine) time.Time { return m.fencing.since.Add(s.options.returnGrace()) }

// weighFences finds out whose fence has been away for too long.
func (s *State) weighFences() {
	for _, m := range sortedMachines(s.losses.unfenced.of) {
		f := &m.fencing
		if f.since.After(s.now) {
			f.since = s.now
		}
		if s.now.Before(s.spentAt(m)) {
			continue
		}
		f.spent = true
		s.losses.unfenced.drop(m)
		for t := range m.tasks {
			if t.rules.AtMostOnce {
				s.wake(t)
			}
		}
	}
}

// nextFence is when the first of them has been away for too long; zero if none is.
func (s *State) nextFence() time.Time {
	var first time.Time
	for m := range s.losses.unfenced.of {
		if at := s.spentAt(m); first.IsZero() || at.Before(first) {
			first = at
		}
	}
	return first
}

// fenced gives an order the fencing number of a unit that says AtMostOnce. It keeps its number as long as the same session
// is ordered to have it. A new one is greater than every former one: a number is never above the stamp of the revision
// at which its order is written, and above those of all revisions that were known when it was given.
func (s *State) fenced(m *machine, t *task, o cluster.Order) cluster.Order {
	var old cluster.Order
	if m.written != nil && m.written.Session == m.addressee() {
		old = m.written.Units[t.name]
	}
	switch {
	case !t.settled() && o.Fence != 0 && old.Fence == 0:
		o.Fence, o.Unbound = s.stamp+1, s.unbound(m, t) // of a former session
		return o
	case !t.settled():
		o.Fence, o.Freeze, o.Unbound = old.Fence, old.Freeze, old.Unbound // what it demands is not known
		return o
	case !t.rules.AtMostOnce:
		return o
	}
	o.Fence, o.Freeze = old.Fence, t.rules.Freeze
	if o.Fence == 0 {
		o.Fence = s.stamp + 1
	}
	o.Unbound = s.unbound(m, t) && !m.fulfilled(t.name, o)
	return o
}
