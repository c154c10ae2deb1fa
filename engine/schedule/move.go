package schedule

import (
	"fmt"
	"slices"
)

// moveAsked carries out the last request to move a unit, with all that are tied to it there, or
// refuses it, and tells whether they have left. They leave only if there is a place for
// them; it is kept for them until they have stopped. That a request was refused is in the
// order's reason; either way the order says that it was considered.
func (s *State) moveAsked(t *task, home *machine) bool {
	order, ok := home.order(t)
	if !ok || t.record.Move <= order.Move {
		return false
	}
	g := t.together(home)
	to, why := s.destination(g, home)
	if to == nil {
		order.Move, order.Reason = t.record.Move, why
		s.put(home, t, order)
		return false
	}
	for _, u := range g {
		s.remove(home, u, "moves to "+to.id.Short()+", as "+asWhose(t, u))
		u.claim, u.because, u.shunned = to, "moved here from "+home.id.Short()+", as "+asWhose(t, u), home
		s.stand(to, u)
	}
	return true
}

func asWhose(t, u *task) string {
	if t == u {
		return "was asked"
	}
	return "was asked of " + string(t.name)
}

// destination is where the group is to go from its home; if nowhere, why not.
func (s *State) destination(g group, home *machine) (*machine, string) {
	t := g[0]
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
	for _, u := range g {
		u.shunned = home
	}
	m := s.search(g)
	if m == nil {
		for _, u := range g {
			u.shunned = nil
		}
		return nil, "cannot move: no other machine fits"
	}
	return m, ""
}

// together returns t and those on its machine that are tied to it, t first.
func (t *task) together(home *machine) group {
	return closure(t, func(u *task) []*task {
		tied := sortedTasks(u.followers)
		tied = append(tied, u.peers...)
		return slices.DeleteFunc(tied, func(v *task) bool { return home.tasks[v].standing != ordered || v.record.Global })
	})
}

// placeMove: a unit does not go back to the machine that it was asked to leave, as long as it has not gone elsewhere.
func placeMove(_ *State, _ group, t *task, m *machine) fit {
	if t.shunned == m {
		return never("are what it was asked to leave")
	}
	return fit{}
}
