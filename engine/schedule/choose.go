package schedule

import (
	"fmt"
	"slices"
	"strings"
)

// choice is where a group goes, and how soon it can.
type choice struct {
	machine *machine // nil: nowhere
	class   class
	reason  string
}

// choose picks the machine for a group.
func (s *State) choose(g group) choice {
	if c, ok := s.chooseFormer(g); ok {
		return c
	}
	if len(g) == 1 && g[0].plain() && s.open.room > 0 {
		i := slices.IndexFunc(s.open.list, func(m *machine) bool { return !m.full() })
		return choice{machine: s.open.list[i], reason: fewestUnits(s.open.list[i], s.open.room)}
	}
	candidates := s.open.list
	if anchor := g.anchor(); anchor != nil {
		candidates = anchor.homes()
		slices.SortFunc(candidates, byLoad)
	}
	var best [impossible]*machine
	var count [impossible]int
	for _, m := range candidates {
		if !m.listed {
			continue
		}
		f := s.suits(g, m)
		if f.class == impossible {
			continue
		}
		count[f.class]++
		if best[f.class] == nil {
			best[f.class] = m
		}
	}
	for _, c := range g.preference() {
		if m := best[c]; m != nil {
			return choice{m, c, g.reason(m, c, count[c])}
		}
	}
	return choice{}
}

// chooseFormer: a unit stays with the machine on which it still is, or for which it has a claim.
func (s *State) chooseFormer(g group) (choice, bool) {
	var former []*machine
	for _, t := range g {
		for _, m := range t.where {
			if m.listed && !slices.Contains(former, m) {
				former = append(former, m)
			}
		}
	}
	slices.SortFunc(former, byLoad)
	for _, m := range former {
		switch f := s.suits(g, m); {
		case f.class == fits && g[0].claim == m:
			return choice{m, fits, "takes the place of the units it replaces"}, true
		case f.class == fits:
			return choice{m, fits, "kept: it was still here"}, true
		case f.class != impossible && g[0].claim == m:
			return choice{m, f.class, ""}, true
		}
	}
	return choice{}, false
}

// preference is the order in which the classes of machines are considered. A
// unit that has not had a place since it was asked for takes that of the units it replaces;
// later it keeps away from them as long as there is somewhere else to go.
func (g group) preference() []class {
	if slices.ContainsFunc(g, (*task).fresh) {
		return []class{takes, fits, soon}
	}
	return []class{fits, soon, takes}
}

func fewestUnits(m *machine, of int) string {
	if of == 1 {
		return "the only machine that fits"
	}
	return fmt.Sprintf("fewest units (%d) of %d machines that fit", m.load, of)
}

func (g group) reason(m *machine, c class, of int) string {
	if c == takes {
		return "takes the place of the units it replaces"
	}
	t := g[0]
	switch anchor := g.anchor(); {
	case anchor != nil:
		return "required by MachineOf=" + strings.Join(outside(g), " ")
	case t.rules.MachineID != "":
		return "required by MachineID=" + t.rules.MachineID
	case len(g) > 1:
		return "together with " + g.names() + " (MachineOf); " + fewestUnits(m, of)
	}
	return fewestUnits(m, of)
}

// outside lists the peers that are not of the group.
func outside(g group) []string {
	var names []string
	for _, t := range g {
		for _, peer := range t.peers {
			if !slices.Contains(g, peer) && !slices.Contains(names, string(peer.name)) {
				names = append(names, string(peer.name))
			}
		}
	}
	return names
}
