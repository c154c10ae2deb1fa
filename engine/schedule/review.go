package schedule

import (
	"cmp"
	"slices"

	"fleet/cluster"
)

// reviewTask looks at a unit where it is: whether it may stay, and whether its
// orders still say what is wanted.
func (s *State) reviewTask(t *task) {
	switch {
	case t.corrupt != "":
		s.release(t) // what is wanted is unknown: all that is ordered stays as it is, and no more is kept
	case s.orphan(t):
		s.release(t)
	case !t.wanted():
		s.withdraw(t)
	case t.record.Global:
		s.reviewGlobal(t)
	case !t.hasHome():
		s.homeless.add(t)
	default:
		s.reviewHome(t)
	}
}

// withdraw takes a unit off all machines, because nobody wants it on one.
func (s *State) withdraw(t *task) {
	why := "wanted inactive"
	if !t.exists {
		why = "destroyed"
	}
	for _, m := range slices.Clone(t.where) {
		if m.tasks[t].standing >= taking {
			s.remove(m, t, why)
		}
	}
	s.release(t)
	s.leavers.drop(t)
	if t.want != nil {
		for _, o := range s.tiedTo(t) {
			s.wake(o) // it was of one group with them
		}
	}
	s.want(t, nil)
	s.homeless.drop(t)
	s.forget(t)
}

// reviewHome leaves the unit at most one machine, and another that takes it over.
func (s *State) reviewHome(t *task) {
	home := s.keeper(t)
	for _, m := range t.homes() {
		if m != home {
			s.remove(m, t, "stays on "+home.id.Short())
		}
	}
	s.homeless.drop(t)
	if !t.settled() {
		s.release(t)
		s.keepUnreadable(t, home)
		return
	}
	if ok, says := s.holds(t, home); !ok {
		s.release(t)
		s.bar(home, t, says)
		return
	}
	if !t.asks(home) && s.apart(t, home) {
		s.takeApart(t)
		return
	}
	if !t.asks(home) && s.giveUp(t, home) {
		s.release(t)
		return
	}
	s.compete(t)
	if !t.asks(home) { // until that is decided what was asked last is not for its home
		s.refresh(home, t)
	}
	if !t.due(home) {
		s.stay(t, home)
		return
	}
	if to := t.taker(); to != nil {
		if ok, _ := s.holds(t, to); ok { // else the hand-over is called off, see hindrance
			s.refresh(to, t)
		}
	}
	s.leavers.add(t)
}

// compete has it looked at whether t may share its machines with others.
func (s *State) compete(t *task) {
	if !s.plain(t) {
		s.contested.add(t)
	}
}

// contest has a unit leave the machines on which a stronger one is. It is done
// when all is known to be gone that has to go for reasons of its own, and the
// stronger one is asked first whether it stays itself: nobody makes way for nothing.
func (s *State) contest(t *task) {
	s.contested.drop(t)
	if !t.wanted() || !t.settled() {
		return
	}
	for _, m := range t.homes() {
		s.yieldTakers(t, m)
		for {
			o, rule := s.stronger(t, m)
			if o == nil {
				break
			}
			if s.contested.has(o) {
				s.contest(o)
				continue
			}
			if o.contradiction() != "" && t.contradiction() == "" {
				s.bar(m, o, saysRuns(string(t.name), rule)) // it has to go anyway, as it can be nowhere
				continue
			}
			s.bar(m, t, saysRuns(string(o.name), rule))
			break
		}
	}
}

// keepUnreadable: what the new content demands is unknown, so the content that was
// placed by known rules stays. All that can be passed on is a request that keeps the content.
func (s *State) keepUnreadable(t *task, home *machine) {
	if home.orderFor(t).Content == t.record.Content {
		s.refresh(home, t)
	}
	s.pend(t.alone(), cluster.Pending{Message: t.problem})
}

// keeper chooses which of a unit's machines keeps it. There is more than one
// only after records were changed by other hands, or when a global unit ceases to be global.
func (s *State) keeper(t *task) *machine {
	homes := t.homes()
	if len(homes) == 1 {
		return homes[0]
	}
	rank := func(m *machine) int {
		holds, _ := s.holds(t, m)
		if rival, _ := s.stronger(t, m); rival != nil {
			holds = false
		}
		switch {
		case holds && s.up(t, m):
			return 0
		case holds:
			return 1
		}
		return 2
	}
	return slices.MinFunc(homes, func(a, b *machine) int {
		return cmp.Or(
			cmp.Compare(rank(a), rank(b)),
			a.orderFor(t).Since.Compare(b.orderFor(t).Since),
			byID(a, b))
	})
}

// up tells whether the machine has reached what its order for t says.
func (s *State) up(t *task, m *machine) bool {
	o := m.orderFor(t)
	found, ok := m.copyOf(t.name)
	switch {
	case !ok || found.Generation < o.Generation:
		return false
	case o.Desired == cluster.Launched:
		return found.Active == "active" || found.Active == "reloading"
	}
	return found.Content == o.Content
}

// refresh passes on what users asked for since the order was written. Why and
// since when the unit is there does not change by that.
func (s *State) refresh(m *machine, t *task) {
	old := m.orderFor(t)
	o := t.order()
	o.Reason, o.Since, o.Takes = old.Reason, old.Since, old.Takes
	o = s.fenced(m, t, o)
	if o != old && m.tasks[t].standing == ordered {
		o.Takes = "" // it has taken over
	}
	if o.Reason == "" { // its orders could not be read
		o.Reason, o.Since = "kept: it was here", s.now
	}
	s.put(m, t, o)
}

// release gives up a place that is kept for t.
func (s *State) release(t *task) {
	if m := t.claim; m != nil {
		t.claim, t.because = nil, ""
		s.stand(m, t)
	}
}

// atRest tells, at little cost, that there is nothing to decide about a unit: it is alone in what it demands, where
// it may be, and its order says what is wanted. Of most units that is so when a leader looks at them first.
func (s *State) atRest(t *task) bool {
	if !t.wanted() || !t.settled() || t.record.Global || len(t.where) != 1 || !s.plain(t) || len(t.followers) > 0 ||
		t.claim != nil || t.want != nil || t.written != nil || t.unreadable || t.failing != nil || t.rules.Reschedule {
		return false
	}
	home := t.where[0]
	b := home.tasks[t]
	if b.standing != ordered || b.hold != t.need || home.emptied() != "" {
		return false
	}
	o, old := t.order(), home.orderFor(t)
	o.Reason, o.Since, o.Takes = old.Reason, old.Since, old.Takes
	return s.fenced(home, t, o) == old
}
