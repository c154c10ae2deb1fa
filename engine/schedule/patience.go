package schedule

import (
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// patience is the brake after an outage that everybody shared. When all machines
// have lost the store for longer than their leases live, all of them are back within moments of
// each other, and whoever is first would lead a cluster in which all others are lost.
// So until a given time the units of lost machines wait for these to return.
type patience struct {
	until  time.Time              // zero: there is no more to wait for
	absent map[unit.Name]*machine // the lost machine that was last told to have the unit; nil: to be found out
}

// Wait has the units of machines that are lost wait for these until then. It
// is called before the first Decide, if at all.
func (s *State) Wait(until time.Time) { s.patience.until = until }

// Again is when to call Decide even if nothing has happened; zero if there is no need.
func (s *State) Again() time.Time {
	until, next := s.patience.until, s.nextTry()
	if until.IsZero() || !next.IsZero() && next.Before(until) {
		return next
	}
	return until
}

// loseIfDue ends the waiting.
func (s *State) loseIfDue() {
	if s.patience.until.IsZero() || s.now.Before(s.patience.until) {
		return
	}
	s.patience = patience{}
	for _, t := range sortedTasks(s.unplaced.of) {
		s.wake(t)
	}
}

// awaited returns a lost machine that had one of the group, nil if there is none or the waiting is over.
func (s *State) awaited(g group) *machine {
	if s.patience.until.IsZero() {
		return nil
	}
	if s.patience.absent == nil {
		s.patience.absent = s.findAbsent()
	}
	for _, t := range g {
		if m := s.patience.absent[t.name]; m != nil {
			return m
		}
	}
	return nil
}

// findAbsent lists what lost machines had. Of two that had the same unit the one told last had it last.
func (s *State) findAbsent() map[unit.Name]*machine {
	absent := make(map[unit.Name]*machine)
	for _, m := range s.machines {
		if !m.lost() || m.written == nil {
			continue
		}
		for name := range m.written.Units {
			if other := absent[name]; other == nil || other.written.Revision < m.written.Revision {
				absent[name] = m
			}
		}
	}
	return absent
}

// waitFor records that the group waits for m to return.
func (s *State) waitFor(g group, m *machine) {
	s.refuse(g, cluster.Pending{
		Waiting: true,
		Message: "waiting for machine " + m.id.Short() + ", which had it, to return: after an outage machines are given a moment to do so",
	})
}
