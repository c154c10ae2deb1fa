package schedule

import "time"

// patience is the brake after an outage that everybody shared. When all machines
// have lost the store for longer than their leases live, all of them are back within moments of
// each other, and whoever is first would lead a cluster in which all others are lost.
// So until a given time the units of lost machines wait for these to return.
type patience struct {
	given time.Time // what Wait was told last
	until time.Time // zero: there is no more to wait for
}

// Wait has the units of machines that are lost wait for these until then. It may be called before any
// Decide; a time that was told before, and one that has passed, change nothing.
func (s *State) Wait(until time.Time) {
	if !until.Equal(s.patience.given) {
		s.patience = patience{given: until, until: until}
	}
}

// patient tells whether all units of lost machines wait.
func (s *State) patient() bool { return !s.patience.until.IsZero() }

// loseIfDue ends the waiting.
func (s *State) loseIfDue() {
	if !s.patient() || s.now.Before(s.patience.until) {
		return
	}
	s.patience.until = time.Time{}
	s.brake.look = true
	for m := range s.losses.gone.of {
		s.wakeHaunted(m)
	}
	s.wakeUnsure()
}

// Again is when to call Decide even if nothing has happened; zero if there is no need.
func (s *State) Again() time.Time {
	var first time.Time
	for _, at := range []time.Time{s.patience.until, s.nextTry(), s.nextDue(), s.brake.next, s.nextFence(), s.nextSure()} {
		if !at.IsZero() && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	return first
}
