package schedule

import (
	"cmp"
	"fmt"
	"slices"

	"fleet/cluster"
)

// A unit that leaves its home for another machine is, unless it says otherwise, started there first: the order there
// names the home in Takes. The unit is taking there, both copies are held, and when the one there is up
// the order at home goes. All that anybody has to know of it is in the orders: a successor goes on from them. Units tied
// by MachineOf start together and leave together. What comes to nothing is called off, and the unit is where it was.

// giver is the machine that has t until it is up on m, whose order for it is o; nil if m does not take t over, or has
// done so. It depends on orders alone. Where orders of more than two machines refer to each other, nobody takes over.
func (s *State) giver(m *machine, t *task, o cluster.Order) *machine {
	from := s.holder(t, o.Takes)
	if from == nil || from == m || s.holder(t, from.orderFor(t).Takes) != nil {
		return nil
	}
	return from
}

// holder is the machine of that id, if its orders are obeyed and name t.
func (s *State) holder(t *task, id cluster.MachineID) *machine {
	if id == "" {
		return nil
	}
	m := s.machines[id]
	if m == nil || !m.live() {
		return nil
	}
	if _, ok := m.order(t); !ok {
		return nil
	}
	return m
}

// restandTakers follows a change of t's standing on m where t is taken over from m.
func (s *State) restandTakers(m *machine, t *task) {
	if len(t.where) < 2 && (len(t.where) == 0 || t.where[0] == m) {
		return
	}
	for _, other := range slices.Clone(t.where) {
		if other != m && other.orderFor(t).Takes == m.id {
			s.stand(other, t)
		}
	}
}

// taker is the machine that is to take t over, nil if there is none.
func (t *task) taker() *machine {
	if len(t.where) < 2 {
		return nil
	}
	for _, m := range t.where {
		if m.tasks[t].standing == taking {
			return m
		}
	}
	return nil
}

// stopsFirst tells whether the group stops at home before it starts elsewhere: because one of it says so, or because
// the work of one of them is under way, which is not to be done twice.
func (g group) stopsFirst(home *machine) bool {
	return slices.ContainsFunc(g, func(t *task) bool { return t.rules.StopsFirst() }) || g.starting(home) != nil
}

// send has a group leave its home for a machine that fits.
func (s *State) send(g group, home *machine, c choice) {
	reason := s.reason(g, c)
	asker := g.asker(home)
	for _, t := range g {
		t.because = "moved here from " + home.id.Short()
		if asker != nil {
			t.because += whose(t, asker, home)
		} else {
			t.because += ", which " + home.emptied() + "; " + reason(t)
		}
	}
	if c.why == whyClaim {
		s.provoke(g.priority())
	}
	if g.stopsFirst(home) {
		s.stopFirst(g, home, c.machine)
		return
	}
	s.startFirst(g, home, c.machine)
}

// whose says on whose account t leaves its home, behind where it goes.
func whose(t, asker *task, home *machine) string {
	switch asker {
	case nil:
		return ": " + home.id.Short() + " " + home.emptied()
	case t:
		return ", as was asked"
	}
	return ", as was asked of " + string(asker.name)
}

// stopFirst takes the group off its home. Its places are kept for it until it has stopped there.
func (s *State) stopFirst(g group, home, to *machine) {
	asker := g.asker(home)
	for _, t := range g {
		because := t.because
		if t.claim != to {
			s.release(t)
		}
		s.remove(home, t, "moves to "+to.id.Short()+whose(t, asker, home))
		t.claim, t.because = to, because
		if asker != nil {
			t.shunned = home
		}
		s.stand(to, t)
		s.wake(t)
	}
}

// startFirst orders the group onto another machine as well, which is to take it over.
func (s *State) startFirst(g group, home, to *machine) {
	for _, t := range g {
		o := t.order()
		o.Takes, o.Reason, o.Since = home.id, t.reasonOn(to, t.because), s.now
		if to.written != nil && to.live() {
			if old, ok := to.written.Units[t.name]; ok && old.Content == o.Content {
				o.Reason, o.Since = old.Reason, old.Since // it has not left
			}
		}
		if t.claim != to {
			s.release(t)
		}
		t.claim, t.because, t.shunned = nil, "", nil
		old := home.orderFor(t)
		old.Takes = ""
		old.Unbound = old.Fence != 0 // it says AtMostOnce no more, though that order does: there will be a copy that no fence ends
		s.put(home, t, old)
		s.put(to, t, o)
		s.want(t, nil)
		s.leavers.add(t) // it may be up there already
	}
}

// handing looks at how far the group is that is being handed over, and tells whether it is.
func (s *State) handing(g group, home *machine) bool {
	i := slices.IndexFunc(g, func(t *task) bool { return t.taker() != nil })
	if i < 0 {
		return false
	}
	to := g[i].taker()
	together := !slices.ContainsFunc(g, func(t *task) bool { return t.taker() != to })
	switch {
	case home.unsure() || to.unsure():
	case together && !slices.ContainsFunc(g, func(t *task) bool { return !s.handed(t, home, to) }):
		for _, t := range g {
			s.remove(home, t, "handed over to "+to.id.Short()+whose(t, g.asker(home), home))
		}
	case s.fell(g, home, to):
	default:
		if why := s.hindrance(g, home, to); why != "" {
			s.callOff(g, why)
			break
		}
		for _, t := range g {
			s.want(t, nil)
		}
	}
	return true
}

// keepHandingOver leaves a hand-over as it is, as it is unknown whether it is still wanted, if the rules allow that.
func (s *State) keepHandingOver(t *task, home *machine) {
	to := t.taker()
	if to == nil {
		return
	}
	g := t.together(home)
	if why := s.hindrance(g, home, to); why != "" {
		s.callOff(g, why)
	}
}

// handed tells whether t needs its home no more: it is up where it goes, or it does not run at home and has got there as
// far as it gets.
func (s *State) handed(t *task, home, to *machine) bool {
	if s.up(t, to) {
		return true
	}
	found, ok := to.copyOf(t.name)
	return ok && found.Generation >= to.orderFor(t).Generation && found.State.Job == "" && !t.runs(home)
}

// runs tells whether t runs on m, as far as m says.
func (t *task) runs(m *machine) bool {
	r, ok := m.copyOf(t.name)
	return ok && r.Running() && r.Sub != "auto-restart"
}

// fell calls the hand-over off if one of the group has come to nothing where it goes, and tells whether it did.
// That is recorded in the same transaction, so that every machine is tried before one is tried again.
func (s *State) fell(g group, home, to *machine) bool {
	for _, t := range g {
		try, failed := s.fallen(t, to)
		if !failed {
			continue
		}
		asker := g.asker(home)
		if asker == nil || asker.record.MoveTo == "" || home.emptied() != "" {
			if !s.note(t, to, try) {
				return true
			}
		}
		words := "failed there" + wordsOf(try)
		s.callOff(g, words)
		if asker != nil && asker.record.MoveTo != "" {
			s.decline(asker, home, fmt.Sprintf("cannot move to %s: %s %s", to.id.Short(), t.name, words))
		}
		return true
	}
	return false
}

// fallen tells whether t, which is to be up on m, will not be.
func (s *State) fallen(t *task, m *machine) (cluster.Try, bool) {
	o := m.orderFor(t)
	r, ok := m.copyOf(t.name)
	try := cluster.Try{Machine: m.id, At: s.now, Result: cmp.Or(r.Result, "failed"), ExitStatus: int(r.ExitStatus)}
	switch {
	case !ok || r.Tried < o.Generation:
		return try, false
	case r.Generation < o.Generation:
		try.Result = "not carried out"
		return try, r.Error != ""
	case o.Desired != cluster.Launched || r.State.Job != "":
		return try, false
	case r.Active == "inactive":
		try.Result = "ended"
		return try, true
	}
	return try, r.Active == "failed" && r.Sub != "failed-before-auto-restart"
}

// hindrance is why the group cannot be handed over to that machine; empty if it can.
func (s *State) hindrance(g group, home, to *machine) string {
	if t := g.asker(home); t != nil && t.record.MoveTo != "" && t.record.MoveTo != to.id {
		return string(t.name) + " was asked to move to " + t.record.MoveTo.Short()
	}
	if why := to.emptied(); why != "" {
		return to.id.Short() + " " + why
	}
	for _, t := range g {
		switch {
		case t.taker() != to:
			return string(t.name) + " has to go with it"
		case t.rules.AtMostOnce:
			return string(t.name) + " must not run twice"
		}
		if ok, says := s.holds(t, to); !ok {
			return barred(says)
		}
		if o, rule := t.rivalOn(to); o != nil {
			return barred(saysRuns(string(o.name), rule))
		}
	}
	return ""
}

// rivalOn returns a unit with which t cannot share m, at home there or not, with the name of the rule; nil if there is none.
func (t *task) rivalOn(m *machine) (*task, string) {
	for r := range relations {
		for _, o := range t.related(r, m) {
			if m.tasks[o].standing >= taking {
				return o, r.String()
			}
		}
	}
	return nil, ""
}

// takesOver tells whether t, which m was to take over when its former session ended, is still to go there from its home.
func (s *State) takesOver(t *task, m, home *machine, old cluster.Order) bool {
	return old.Takes == home.id && t.due(home) && m.emptied() == "" && !t.rules.AtMostOnce && t.alone().besides(m, home) == nil
}

// givesUp tells whether t, which was being handed over from m to another machine when the former session of m ended, is
// not up there yet and is to leave m still.
func (s *State) givesUp(t *task, m, to *machine, old cluster.Order) bool {
	due := m.emptied() != "" || t.record.Move > old.Move
	return due && to.orderFor(t).Takes == m.id && to.reported() && !s.up(t, to) && !t.rules.AtMostOnce
}

// callOff leaves the group at home: what was to take it over goes.
func (s *State) callOff(g group, why string) {
	for _, t := range g {
		if to := t.taker(); to != nil {
			s.remove(to, t, why)
			s.wake(t)
		}
	}
}

// yieldTakers calls off what is to take over units on m that t, at home there, cannot be with.
func (s *State) yieldTakers(t *task, m *machine) {
	for r := range relations {
		for _, o := range t.related(r, m) {
			if m.tasks[o].standing == taking {
				s.remove(m, o, barred(saysRuns(string(t.name), r.String())))
				s.wake(o)
			}
		}
	}
}
