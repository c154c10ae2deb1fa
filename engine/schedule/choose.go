package schedule

import (
	"cmp"
	"slices"

	"fleet/unit"
)

// choice is where a group goes, and how soon it can.
type choice struct {
	machine *machine // nil: nowhere
	class   class
	why     why
	victims []*task // those that it displaces
	liked   rank    // how one unit that is picky likes the machine that was found
}

// why says in which way the machine was found.
type why int

const (
	whyBest why = iota
	whyKept
	whyAnchor
	whyID
	whyReplaces
	whyClaim
	whyDisplaces
	whyMove
)

// choose picks the machine for a group.
func (s *State) choose(g group) choice {
	if s.last.serves(s, g) {
		return choice{machine: s.last.machine}
	}
	if c, ok := s.chooseFormer(g); ok {
		return c
	}
	if candidates, why, few := s.fewCandidates(g); few {
		return s.chooseAmong(g, candidates, why)
	}
	if g.replacing() && g.fresh() {
		if c := s.chooseReplaced(g); c.machine != nil {
			return c
		}
	}
	if m := s.search(g); m != nil {
		return choice{machine: m, liked: s.liked}
	}
	if c := s.chooseAmong(g, sortedMachines(s.clearing.of), whyBest); c.machine != nil && c.class == soon {
		return c
	}
	if g.replacing() {
		if c := s.chooseReplaced(g); c.machine != nil {
			return c
		}
	}
	return s.displace(g, s.listed, whyBest)
}

// fewCandidates lists the only machines that come into question, if the rules leave so few that it pays.
func (s *State) fewCandidates(g group) ([]*machine, why, bool) {
	if anchor := g.anchor(); anchor != nil {
		return anchor.homes(), whyAnchor, true
	}
	for _, t := range g {
		if id := t.rules.MachineID; id != "" {
			var found []*machine
			for _, m := range s.listed {
				if unit.MatchMachineID(id, string(m.id)) {
					found = append(found, m)
				}
			}
			return found, whyID, true
		}
	}
	return nil, whyBest, false
}

// chooseAmong looks at every one of the candidates.
func (s *State) chooseAmong(g group, candidates []*machine, why why) choice {
	var best [impossible]*machine
	for _, m := range candidates {
		if !m.listed {
			continue
		}
		f := s.suits(g, m)
		if f.class == impossible {
			continue
		}
		if b := best[f.class]; b == nil || s.better(g, m, b) {
			best[f.class] = m
		}
	}
	for _, c := range g.preference() {
		if m := best[c]; m != nil {
			return choice{machine: m, class: c, why: why}
		}
	}
	if why == whyBest {
		return choice{}
	}
	return s.displace(g, candidates, why)
}

// chooseReplaced looks at the machines that have a unit which the group replaces.
func (s *State) chooseReplaced(g group) choice {
	var found []*machine
	for _, t := range g {
		for _, sel := range t.demands[replaces] {
			for m := range sel.targets {
				found = append(found, m)
			}
		}
	}
	slices.SortFunc(found, byID)
	c := s.chooseAmong(g, slices.Compact(found), whyBest)
	if c.class != takes {
		return choice{}
	}
	return c
}

// chooseFormer: a unit takes the place that is kept for it, and stays with the machine on which it still is.
func (s *State) chooseFormer(g group) (choice, bool) {
	if m := g[0].claim; m != nil && m.listed {
		if f := s.suits(g, m); f.class != impossible {
			return choice{machine: m, class: f.class, why: whyClaim}, true
		}
	}
	var former []*machine
	for _, t := range g {
		for _, m := range t.where {
			if m.listed && !slices.Contains(former, m) {
				former = append(former, m)
			}
		}
	}
	if len(former) > 1 {
		slices.SortFunc(former, func(a, b *machine) int {
			if s.better(g, a, b) {
				return -1
			}
			return 1
		})
	}
	for _, m := range former {
		if f := s.suits(g, m); f.class == fits {
			return choice{machine: m, why: whyKept}, true
		}
	}
	return choice{}, false
}

// preference is the order in which the classes of machines are considered. A
// unit that has not had a place since it was asked for takes that of the units it replaces;
// later it keeps away from them as long as there is somewhere else to go.
func (g group) preference() []class {
	if g.fresh() {
		return []class{takes, fits, soon}
	}
	return []class{fits, soon, takes}
}

func (g group) fresh() bool { return slices.ContainsFunc(g, (*task).fresh) }

func (g group) replacing() bool {
	return slices.ContainsFunc(g, func(t *task) bool { return len(t.demands[replaces]) > 0 })
}

// need is what the group takes of every machine alike. Of one unit it is not copied.
func (g group) need() *quantity {
	if len(g) == 1 {
		return g[0].need
	}
	sum := &quantity{}
	for _, t := range g {
		sum.add(t.need, 1)
	}
	return sum
}

// orderOf is the order in which machines are preferred for the group.
func (s *State) orderOf(g group) order {
	strategy := s.options.Strategy
	bare := true
	for _, t := range g {
		bare = bare && t.share == 0 && t.need.bare()
		if t.rules.Strategy != "" {
			strategy = t.rules.Strategy
		}
	}
	switch {
	case bare:
		return fewest
	case strategy == unit.SpreadEvenly:
		return emptiest
	}
	return fullest
}

// better tells whether the group would rather be on a than on b, both of which fit.
func (s *State) better(g group, a, b *machine) bool {
	for _, t := range g {
		if t.taste.picky() {
			if c := s.rankOf(t, a.pool, a).compare(s.rankOf(t, b.pool, b)); c != 0 {
				return c < 0
			}
		}
	}
	o := s.orderOf(g)
	return cmp.Or(cmp.Compare(s.score(a, o), s.score(b, o)), byID(a, b)) < 0
}

// latest is where the last unit went that is like any other of its needs. Those that follow go there too
// as long as there is room and nothing else has changed: it has become fuller, and was the fullest already.
type latest struct {
	need    *quantity
	machine *machine
	changes int64 // State.changes when it had gone there
}

func (l *latest) serves(s *State, g group) bool {
	if l.machine == nil || l.changes != s.changes || len(g) > 1 {
		return false
	}
	t := g[0]
	if t.need != l.need || len(t.where) > 0 || !s.common(t) {
		return false
	}
	_, ok := l.machine.hasRoom(t.need, t.need, nil)
	return ok
}

// common tells whether t goes wherever any other unit goes that needs as much.
func (s *State) common(t *task) bool {
	return t.taste == nil && t.share == 0 && s.plain(t) && s.orderOf(t.alone()) == fullest
}
