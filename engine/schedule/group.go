package schedule

import (
	"slices"
	"strings"
)

// group is what is placed together: one unit, or all units of a cycle of MachineOf.
type group []*task

// groupOf returns the cycle of MachineOf that t belongs to; t alone if there is none.
func groupOf(t *task) group {
	if len(t.peers) == 0 || len(t.followers) == 0 {
		return group{t}
	}
	needs := reach(t, func(u *task) []*task { return u.peers })
	needed := reach(t, func(u *task) []*task { return sortedTasks(u.followers) })
	g := group{t}
	for u := range needs {
		if _, both := needed[u]; both && u != t {
			g = append(g, u)
		}
	}
	slices.SortFunc(g, byAge)
	return g
}

// reach returns t and all units that may be moved by the engine and to which
// edges lead from t, over such units only.
func reach(t *task, edges func(*task) []*task) map[*task]struct{} {
	seen := map[*task]struct{}{t: {}}
	for todo := []*task{t}; len(todo) > 0; {
		u := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, v := range edges(u) {
			if _, ok := seen[v]; ok || !v.wanted() || !v.settled() || v.record.Global {
				continue
			}
			seen[v] = struct{}{}
			todo = append(todo, v)
		}
	}
	return seen
}

// contradiction tells why no machine can ever have the group, whatever else
// happens; empty if that is not so.
func (g group) contradiction() string {
	for _, t := range g {
		if len(t.peers) == 0 {
			continue
		}
		for r := range relations {
			if len(t.demands[r]) == 0 {
				continue
			}
			for _, o := range sortedTasks(reach(t, func(u *task) []*task { return u.peers })) {
				if t.aims(r, o) {
					return string(t.name) + " has to be where " + string(o.name) + " is (MachineOf), and " +
						r.verb() + " it (" + r.String() + ")"
				}
			}
		}
	}
	return ""
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

// names lists the members.
func (g group) names() string {
	names := make([]string, len(g))
	for i, t := range g {
		names[i] = string(t.name)
	}
	return strings.Join(names, ", ")
}
