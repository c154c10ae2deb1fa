package schedule

import (
	"slices"
	"strings"
)

// group is what is placed together, all of it or nothing: one unit, or units without a machine that
// MachineOf ties to each other, in whatever direction.
type group []*task

// groupOf returns the group of t: all units without a machine that are tied to it, directly or through
// others, but those that cannot be where they have to be. Who needs one of these is not of the group either.
func (s *State) groupOf(t *task) group {
	if len(t.peers)+len(t.followers) == 0 || t.contradiction() != "" {
		return t.alone()
	}
	tied := map[*task]struct{}{t: {}}
	for _, u := range closure(t, s.tiedTo) {
		if u.contradiction() == "" {
			tied[u] = struct{}{}
		}
	}
	for again := true; again; {
		again = false
		for u := range tied {
			if u.lacksPeer(tied) {
				delete(tied, u)
				again = true
			}
		}
	}
	if _, in := tied[t]; !in {
		return t.alone()
	}
	g := group(closure(t, func(u *task) []*task {
		return slices.DeleteFunc(s.tiedTo(u), func(v *task) bool { _, in := tied[v]; return !in })
	}))
	slices.SortFunc(g, byUrgency)
	return g
}

// closure returns t and all that edges lead to from it.
func closure(t *task, edges func(*task) []*task) []*task {
	all := []*task{t}
	seen := map[*task]struct{}{t: {}}
	for i := 0; i < len(all); i++ {
		for _, v := range edges(all[i]) {
			if _, ok := seen[v]; !ok {
				seen[v] = struct{}{}
				all = append(all, v)
			}
		}
	}
	return all
}

// tiedTo lists the units without a machine that are to be placed together with u. One for which a place is
// kept already does not wait for others that have none.
func (s *State) tiedTo(u *task) []*task {
	var tied []*task
	for _, v := range u.peers {
		if s.placeable(v) && v.claim == u.claim {
			tied = append(tied, v)
		}
	}
	for v := range u.followers {
		if s.placeable(v) && v.claim == u.claim {
			tied = append(tied, v)
		}
	}
	return tied
}

// placeable tells whether the unit is one of those that the engine has to find a machine for, now.
func (s *State) placeable(t *task) bool {
	if !t.seeks() {
		return false
	}
	_, why := s.awaited(t)
	return why == waitNot
}

// seeks tells whether the unit wants a machine and has none, and may have one sooner or later.
func (t *task) seeks() bool {
	return t.wanted() && t.settled() && !t.record.Global && !t.hasHome() && !t.held()
}

// lacksPeer tells whether one of the units that t has to be with neither has a machine nor is about to get one.
func (t *task) lacksPeer(about map[*task]struct{}) bool {
	return slices.ContainsFunc(t.peers, func(p *task) bool {
		_, in := about[p]
		return !in && !p.hasHome()
	})
}

// contradiction tells why no machine can ever have the unit, whatever else
// happens; empty if that is not so.
func (t *task) contradiction() string {
	if len(t.peers) == 0 {
		return ""
	}
	with := closure(t, func(u *task) []*task { return u.peers })
	slices.SortFunc(with, byAge)
	for r := range relations {
		for _, o := range with {
			switch {
			case t.aims(r, o):
				return string(t.name) + " has to be where " + string(o.name) + " is (MachineOf), and " +
					r.verb() + " it (" + r.String() + ")"
			case o.aims(r, t):
				return string(t.name) + " has to be where " + string(o.name) + " is (MachineOf), which " +
					r.verb() + " it (" + r.String() + ")"
			}
		}
	}
	return ""
}

// veterans are those of the group that have had a place since they were asked for. They do not stay
// down because there is no room for others that came later. Nil: there are no such others.
func (g group) veterans() group {
	var kept group
	about := make(map[*task]struct{})
	for _, t := range g {
		if !t.fresh() {
			kept = append(kept, t)
			about[t] = struct{}{}
		}
	}
	if len(kept) == len(g) || slices.ContainsFunc(kept, func(t *task) bool { return t.lacksPeer(about) }) {
		return nil
	}
	return kept
}

// trunk is the group without those that none of it needs: where the group as a whole fits nowhere, however
// much room there is, it is they who cannot be where they want to be. Nil: all of it is needed.
func (g group) trunk() group {
	var kept group
	for _, t := range g {
		if slices.ContainsFunc(g, func(f *task) bool { return f != t && slices.Contains(f.peers, t) }) {
			kept = append(kept, t)
		}
	}
	if len(kept) == len(g) {
		return nil
	}
	return kept
}

// absent returns a peer outside the group that has no place, nil if all have one.
func (g group) absent() *task {
	for _, t := range g {
		for _, peer := range t.peers {
			if !peer.hasHome() && !slices.Contains(g, peer) {
				return peer
			}
		}
	}
	return nil
}

// anchor returns the peer outside the group, whose machines are the only ones
// that come into question; nil if any machine does.
func (g group) anchor() *task {
	for _, t := range g {
		for _, peer := range t.peers {
			if !slices.Contains(g, peer) {
				return peer
			}
		}
	}
	return nil
}

// rival returns a member of the group that t cannot share a machine with, nil if there is none.
func (g group) rival(t *task, r relation) *task {
	for _, o := range g {
		if o != t && (t.aims(r, o) || o.aims(r, t)) {
			return o
		}
	}
	return nil
}

// but lists the members, by name, except one.
func (g group) but(t *task) string {
	var names []string
	for _, o := range g {
		if o != t {
			names = append(names, string(o.name))
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// names lists the members.
func (g group) names() string {
	names := make([]string, len(g))
	for i, t := range g {
		names[i] = string(t.name)
	}
	return strings.Join(names, ", ")
}
