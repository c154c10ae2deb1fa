package schedule

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// A unit with Reschedule=on-failure that systemd has given up is taken off its machine in the
// same transaction in which that is recorded, so that a failure is counted once, whoever leads.
// It is tried again after a pause that doubles with every failure, on a machine where
// it has not failed or else where that is the longest ago. After cluster.MaxTries failures it is parked.
const (
	firstPause   = 10 * time.Second
	longestPause = 10 * time.Minute
	// lasting is how long a unit has had its machine when failures before that do not count any more.
	lasting = 10 * time.Minute
	// maxNoted is how many failures on one machine go into one decision, along with its orders.
	maxNoted = cluster.MaxDecision - 1
)

const failuresRule = "Failures"

// failures are the units whose story is not at its end.
type failures struct {
	resting set[*task]       // that are not to be placed before their time, or are to be looked at for that
	told    set[*task]       // whose record may have to be written
	noted   map[*machine]int // how many were taken off machines in this decision
	late    set[*task]       // that are left to the next decision
}

// failing is where one unit has failed.
type failing struct {
	story      *cluster.Failures // as decided; nil: nothing
	written    *cluster.Failures // as the store has it
	writtenAt  int64             // revision of the last own write of that
	unreadable bool              // the stored record cannot be read and has to be replaced

	held     bool // it is not to be placed now
	forgiven int  // on how many of the machines where it failed it may be tried again
}

// story is where the unit has failed, nil if nowhere.
func (t *task) story() *cluster.Failures {
	if t.failing == nil {
		return nil
	}
	return t.failing.story
}

// held tells whether the unit is not to be placed now because it has failed.
func (t *task) held() bool { return t.failing != nil && t.failing.held }

// recorded tells whether a record about failures of the unit is there or to be written.
func (t *task) recorded() bool {
	f := t.failing
	return f != nil && (f.story != nil || f.written != nil || f.unreadable)
}

// failedOn is what the machine says of the unit if systemd has given it up there, after the
// machine has carried out all that was asked. Before a restart of its own systemd shows a unit as failed for a moment.
func (t *task) failedOn(m *machine) (cluster.UnitReport, bool) {
	r, ok := m.copyOf(t.name)
	if !ok || m.record == nil || r.Active != "failed" || r.Sub == "failed-before-auto-restart" || r.State.Job != "" {
		return r, false
	}
	o := m.units()[t.name]
	return r, o.Desired == cluster.Launched && o.Generation == t.record.Generation && r.Generation >= o.Generation
}

// giveUp takes a unit that has failed off its machine, if it says so, and tells whether it did.
func (s *State) giveUp(t *task, home *machine) bool {
	if !t.rules.Reschedule {
		return false
	}
	r, failed := t.failedOn(home)
	if !failed {
		return false
	}
	try := cluster.Try{Machine: home.id, At: s.now, Result: cmp.Or(r.Result, "failed"), ExitStatus: int(r.ExitStatus)}
	if !s.note(t, home, try) {
		return false
	}
	s.remove(home, t, "failed"+wordsOf(try))
	return true
}

// note adds a failure on m to the story of a unit that is about to leave it, and tells whether it did: of too many
// at once the rest are left to the next decision.
func (s *State) note(t *task, m *machine, try cluster.Try) bool {
	if s.failures.noted[m] >= maxNoted {
		s.failures.late.add(t)
		return false
	}
	if s.failures.noted == nil {
		s.failures.noted = make(map[*machine]int)
	}
	s.failures.noted[m]++
	s.tell(t, s.storyWith(t, try, m.orderFor(t).Since))
	s.weigh(t)
	return true
}

// storyWith is the story of a unit that has failed once more, on a machine that it has had since then.
func (s *State) storyWith(t *task, try cluster.Try, since time.Time) *cluster.Failures {
	f := &cluster.Failures{Generation: t.record.Generation}
	if old := t.story(); old != nil && old.Generation == f.Generation && s.now.Sub(since) < lasting {
		f.Tries = slices.Clone(old.Tries)
	}
	f.Tries = append(f.Tries, try)
	f.Tries = f.Tries[max(0, len(f.Tries)-cluster.MaxTries):]
	if len(f.Tries) == cluster.MaxTries {
		f.Parked = true
		return f
	}
	f.Next = s.now.Add(pauseAfter(len(f.Tries)))
	return f
}

// pauseAfter is how long a unit is left alone after so many failures: 10 s, 20 s, 40 s, … 10 min.
func pauseAfter(failures int) time.Duration {
	pause := firstPause
	for ; failures > 1 && pause < longestPause; failures-- {
		pause *= 2
	}
	return min(pause, longestPause)
}

// tell sets the story that the store is to have; nil for none.
func (s *State) tell(t *task, f *cluster.Failures) {
	if t.failing == nil {
		t.failing = &failing{}
	}
	t.failing.story = f
	s.failures.told.add(t)
}

// weighFailures looks at the units whose time may have come.
func (s *State) weighFailures() {
	s.failures.noted = nil
	for t := range s.failures.late.of {
		s.review.add(t)
	}
	s.failures.late = set[*task]{}
	for _, t := range slices.Collect(maps.Keys(s.failures.resting.of)) {
		s.weigh(t)
	}
}

// weigh finds out whether the story of a unit holds it back, and ends it if it is about what nobody wants
// any more. Of a unit whose record or rules cannot be read it says nothing.
func (s *State) weigh(t *task) {
	s.failures.resting.drop(t)
	if t.corrupt != "" || t.exists && t.problem != "" {
		return
	}
	f := t.failing
	was := f.held
	f.held = false
	switch {
	case f.story == nil:
	case !t.goesOn(f.story):
		s.tell(t, nil)
		t.note = ""
	case f.story.Parked:
		f.held = true
	case f.story.Next.After(s.now):
		// Written by a clock that is ahead, it would hold the unit for longer than is ever meant. A rehearsal has no clock.
		if latest := s.now.Add(longestPause); !s.now.IsZero() && f.story.Next.After(latest) {
			shorter := *f.story
			shorter.Next = latest
			s.tell(t, &shorter)
			s.wake(t) // its reason names the time
		}
		f.held = true
		s.failures.resting.add(t)
	}
	if f.held != was {
		s.wake(t)
	}
}

// goesOn tells whether the story is about what was last asked of the unit. Of one without Reschedule it is about
// where it could not be handed over to.
func (t *task) goesOn(f *cluster.Failures) bool {
	return t.wanted() && !t.record.Global && (t.rules.Reschedule && t.record.Desired == cluster.Launched || t.isDue()) &&
		f.Generation == t.record.Generation && len(f.Tries) > 0
}

// nextTry is when the first of the units that were left alone is to be tried again; zero if there are none.
func (s *State) nextTry() time.Time {
	var first time.Time
	for t := range s.failures.resting.of {
		if f := t.story(); f != nil && !f.Next.IsZero() && (first.IsZero() || f.Next.Before(first)) {
			first = f.Next
		}
	}
	return first
}

// forPeople is how reasons say a time. It does not depend on when it is said, so that no other leader says it otherwise.
const forPeople = "2006-01-02 15:04:05 UTC"

// hold records why a unit that has failed is left alone.
func (s *State) hold(t *task) {
	s.release(t)
	f := t.story()
	if f.Parked {
		s.pend(t.alone(), cluster.Pending{
			Message: "failed " + placesOf(f) + "; it is not tried again",
			Remedy:  &cluster.Remedy{Rule: failuresRule, Text: "start it again when it is mended"},
		})
		return
	}
	s.pend(t.alone(), cluster.Pending{
		Waiting: true,
		Message: fmt.Sprintf("failed %s; tried again at %s", placesOf(f), f.Next.UTC().Format(forPeople)),
	})
}

// chooseAgain is choose for a group of which some may have failed: where none of them has comes first, then
// where that is the longest ago. Nothing makes way for them while there is any such machine.
func (s *State) chooseAgain(g group) choice {
	all := g.forgive(0)
	for n := 0; n < all; n++ {
		g.forgive(n)
		if c := s.choose(g); c.machine != nil && c.class < takes {
			return c
		}
	}
	g.forgive(all)
	c := s.choose(g)
	if c.machine == nil {
		for _, t := range g {
			if f := t.story(); f != nil {
				t.note = "failed " + placesOf(f)
			}
		}
	}
	return c
}

// forgive lets the group be tried again on the n machines where it is the longest ago that one
// of it has failed, and returns how many there are of one at most.
func (g group) forgive(n int) int {
	most := 0
	for _, t := range g {
		if f := t.story(); f != nil {
			t.failing.forgiven = n
			most = max(most, len(f.Tries))
		}
	}
	return most
}

// placeFailures: a machine where the unit has failed comes after all others that fit. Back on it, the unit
// starts only if it has been gone in between.
func placeFailures(_ *State, _ group, t *task, m *machine) fit {
	last := t.lastOn(m.id)
	if last >= 0 && last >= t.failing.forgiven {
		return never("have seen it fail")
	}
	if m.tasks[t].standing != lingering {
		return fit{}
	}
	if r, _ := m.copyOf(t.name); last >= 0 || r.Active == "failed" {
		return fit{class: soon}
	}
	return fit{}
}

// lastOn is the number of the last failure on that machine, -1 if there is none.
func (t *task) lastOn(id cluster.MachineID) int {
	f := t.story()
	if f == nil {
		return -1
	}
	for i, try := range slices.Backward(f.Tries) {
		if try.Machine == id {
			return i
		}
	}
	return -1
}

// gaveUp has the units looked at that a machine now says have failed.
func (a *absorbing) gaveUp(name unit.Name, r cluster.UnitReport) {
	if r.Active != "failed" {
		return
	}
	if t, ok := a.State.tasks[name]; ok && t.rules.Reschedule {
		a.review.add(t)
	}
}
