package schedule

import (
	"fmt"
	"slices"
)

// leaveAsked carries out the last request to move t, with all that are tied to it at home, or refuses
// it. They leave only if there is a place for them at once. That a request was refused is in the
// order's reason; either way the order says that it was considered.
func (s *State) leaveAsked(g group, t *task, home *machine) {
	for _, u := range g {
		u.shunned = home
	}
	to, why := s.destination(g, t, home)
	if to == nil || g.besides(to, home) != nil {
		for _, u := range g {
			u.shunned = nil
		}
	}
	switch {
	case to == nil:
		s.decline(t, home, why)
	case g.besides(to, home) != nil:
		m := g.besides(to, home)
		s.await(g, g.leftOn(m), m)
	default:
		s.send(g, home, choice{machine: to, why: whyMove})
	}
}

// decline refuses a request to move t.
func (s *State) decline(t *task, home *machine, why string) {
	order := home.orderFor(t)
	order.Move, order.Reason = t.record.Move, why
	s.put(home, t, order)
	for _, u := range t.together(home) {
		s.wake(u)
	}
}

// destination is where the group is to go from its home, as was asked of t; if nowhere, why not.
func (s *State) destination(g group, t *task, home *machine) (*machine, string) {
	if id := t.record.MoveTo; id != "" {
		m := s.machines[id]
		switch {
		case m == home:
			return nil, "it was asked to move here, where it was already"
		case m == nil || !m.listed:
			return nil, fmt.Sprintf("cannot move to %s: no such machine is present", id.Short())
		}
		if f := s.verdict(g, m); f.class != fits {
			if f.class != impossible {
				f.says = "still have units on their way out"
			}
			return nil, fmt.Sprintf("cannot move to %s: not allowed on machines that %s", id.Short(), s.words(f))
		}
		return m, ""
	}
	g.forgive(0)
	if m := s.search(g); m != nil {
		return m, ""
	}
	for _, u := range g {
		if f := u.story(); f != nil {
			return nil, fmt.Sprintf("cannot move: no other machine fits; %s failed %s", u.name, placesOf(f))
		}
	}
	return nil, "cannot move: no other machine fits"
}

// together returns t and those on its machine that are tied to it, t first.
func (t *task) together(home *machine) group {
	if len(t.peers)+len(t.followers) == 0 {
		return t.alone()
	}
	return closure(t, func(u *task) []*task {
		tied := sortedTasks(u.followers)
		tied = append(tied, u.peers...)
		return slices.DeleteFunc(tied, func(v *task) bool { return home.tasks[v].standing != ordered || v.record.Global })
	})
}

// goBack lets the group be placed where it was asked to leave, and tells whether that makes a difference.
func (g group) goBack() bool {
	left := false
	for _, t := range g {
		left = left || t.shunned != nil
		t.shunned = nil
	}
	return left
}

// placeMove: a unit goes back to the machine that it was asked to leave only if there is room nowhere else.
func placeMove(_ *State, _ group, t *task, m *machine) fit {
	if t.shunned == m {
		return never("are what it was asked to leave")
	}
	return fit{}
}
