package schedule

// wake has a unit looked at again.
func (s *State) wake(t *task) {
	if t.hasHome() || !t.wanted() || t.record.Global {
		s.review.add(t)
		return
	}
	s.homeless.add(t)
}

func (s *State) wakeFollowers(t *task) {
	for f := range t.followers {
		s.wake(f)
	}
}

// fewUnplaced is up to how many units without a machine are looked at whenever a machine comes, changes
// or goes, so that their reasons are true at every moment. If there are more, those are that may have a
// place now; the numbers in the reasons of the others are as of when they were last looked at.
const fewUnplaced = 100

// notePending follows a unit that gets a reason why it has no machine, or has one no more.
func (s *State) notePending(t *task, pending bool) {
	if pending == s.unplaced.has(t) {
		if pending {
			s.askRoom(t)
		}
		return
	}
	for r := range relations {
		for _, sel := range t.demands[r] {
			sel.waitingOwners.put(t, pending)
		}
		for _, sel := range t.matched[r] {
			sel.waitingTargets.put(t, pending)
		}
	}
	confined := pending && t.taste.confines()
	if t.kin != nil {
		t.kin.skewed.put(t, confined)
	}
	s.confined.put(t, confined)
	s.unplaced.put(t, pending)
	if pending {
		s.askRoom(t)
		return
	}
	s.waiting.Drop(t.id)
	s.ambitious.drop(t)
	t.asking, t.asked = nil, nil
}

// askRoom notes how much room would do for the unit, together with those that have to be with it.
func (s *State) askRoom(t *task) {
	s.ambitious.put(t, t.rules.Priority > 0)
	asking := t.asking
	if asking == nil {
		asking = t.need
	}
	if t.asked == asking {
		return
	}
	t.asked = asking
	s.waiting.Put(t.id, &asking.v)
}

// roomMade wakes the units for which there may be room on m now.
func (s *State) roomMade(m *machine) {
	if len(s.globals) > 0 && m.eligible() {
		s.recheck.add(m)
	}
	s.cleared(m)
	if !m.listed || s.unplaced.empty() {
		return
	}
	s.wakeAmbitious(m)
	free := m.free()
	s.waiting.Fitting(&free, func(id int32) bool {
		if t := s.numbers[id]; !m.closed() && (t.taste == nil || t.taste.allows(m.pool)) {
			s.wake(t)
		}
		return true
	})
}

// wakeAmbitious wakes the units for which there would be room on m if all made way that are of lower priority.
func (s *State) wakeAmbitious(m *machine) {
	if s.ambitious.empty() || m.closed() {
		return
	}
	below := make(map[int]*quantity)
	for t, b := range m.tasks {
		p := below[t.rules.Priority]
		if p == nil {
			p = &quantity{}
			below[t.rules.Priority] = p
		}
		p.add(b.hold, 1)
	}
	for t := range s.ambitious.of {
		becomes := &quantity{}
		for p, held := range below {
			if p < t.rules.Priority {
				becomes.add(held, 1)
			}
		}
		becomes.atLeast(&m.fading)
		if _, ok := m.hasRoom(t.asked, t.asked, becomes); ok {
			s.wake(t)
		}
	}
}

// provoke wakes the units that may displace those of that priority: who makes way for a unit may not have had to
// for them.
func (s *State) provoke(priority int) {
	for u := range s.ambitious.of {
		if u.rules.Priority > priority {
			s.wake(u)
		}
	}
}

// eased wakes the units that may profit from t being less on m than it was.
func (s *State) eased(m *machine, t *task) {
	s.wake(t)
	s.roomMade(m)
	s.wakeRelated(t)
}

// wakeRelated wakes the units without a machine that a relation ties to t.
func (s *State) wakeRelated(t *task) {
	for r := range relations {
		for _, sel := range t.demands[r] {
			for u := range sel.waitingTargets.of {
				s.wake(u)
			}
		}
		for _, sel := range t.matched[r] {
			for u := range sel.waitingOwners.of {
				s.wake(u)
			}
		}
	}
}

// wakeRivalGroups wakes the units without a machine that cannot share t's and are tied to others: where nothing but
// room was lacking for all of them there is something else in the way now, and some may be placed without the others.
func (s *State) wakeRivalGroups(t *task) {
	if len(s.unplaced.of) > fewUnplaced {
		return
	}
	for r := range relations {
		for _, sel := range t.demands[r] {
			s.wakeTied(sel.waitingTargets)
		}
		for _, sel := range t.matched[r] {
			s.wakeTied(sel.waitingOwners)
		}
	}
}

func (s *State) wakeTied(waiting set[*task]) {
	for u := range waiting.of {
		if len(u.peers)+len(u.followers) > 0 {
			s.wake(u)
		}
	}
}

// cleared wakes those that wait for others to leave m, after one of these has gone, or will not go.
func (s *State) cleared(m *machine) {
	for u := range m.claimants.of {
		s.wake(u)
	}
	for u := range m.waiters.of {
		s.wake(u)
	}
}

// announce wakes all that may profit from a machine that came, changed or went.
func (s *State) announce(m *machine) {
	if len(s.globals) > 0 && m.listed {
		s.recheck.add(m)
	}
	if len(s.unplaced.of) <= fewUnplaced {
		for t := range s.unplaced.of {
			s.wake(t)
		}
		return
	}
	s.roomMade(m)
	for t := range s.confined.of {
		s.wake(t)
	}
}
