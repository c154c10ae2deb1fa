package schedule

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// names is a set of units.
type names map[unit.Name]bool

// there are the units that are or may be on a present machine: ordered, reported, really
// there, or awaited on a place that is being cleared for them.
func (s *sim) there(h *host) names {
	all := make(names)
	for name := range s.orders[h.id].Units {
		all[name] = true
	}
	for name := range h.copies {
		all[name] = true
	}
	for name, p := range s.pending {
		if p.Place == h.id {
			all[name] = true
		}
	}
	return all
}

// bars is why h may not be given the units of g together, were it not for those in away; empty if it may.
func (s *sim) bars(h *host, g []unit.Name, away names) string {
	if why := s.barsByRules(h, g, away); why != "" {
		return why
	}
	return s.lacksRoom(h, g, away)
}

// barsByRules asks all rules but whether there is room.
func (s *sim) barsByRules(h *host, g []unit.Name, away names) string {
	if !h.hears() || s.corrupt[record{cluster.KindMachine, string(h.id)}] {
		return "it has not said what is there"
	}
	if h.silent {
		return "is silent"
	}
	there := s.there(h)
	for name := range away {
		delete(there, name)
	}
	for _, name := range g {
		if why := s.barsOne(h, name, g, there); why != "" {
			return fmt.Sprintf("%s: %s", name, why)
		}
	}
	return ""
}

// lacksRoom tells of what h has too little.
func (s *sim) lacksRoom(h *host, g []unit.Name, away names) string {
	physical := h.record.Capacity.PhysicalMemory
	taken := s.taken(h)
	for name := range s.there(h) {
		if _, ok := taken[name]; !ok { // it is awaited
			taken[name] = s.needs(name, s.units[name].Content, physical)
		}
	}
	for name := range away {
		delete(taken, name)
	}
	had := total(taken)
	for _, name := range g {
		taken[name] = s.needs(name, s.units[name].Content, physical).most(taken[name])
	}
	limits := s.limits(h)
	before := over(had, limits)
	for resource, n := range over(total(taken), limits) {
		if n > before[resource] {
			return "lacks " + resource
		}
	}
	return ""
}

func (s *sim) barsOne(h *host, name unit.Name, g []unit.Name, there names) string {
	if s.settings[h.id].Cordoned && !there[name] {
		return "cordoned"
	}
	if s.emptied(h) && !(s.units[name].Global && s.ordered(name, h)) {
		return "drained"
	}
	if s.rules(name).AtMostOnce && h.record.Fence.Check() != nil {
		return "has no fence"
	}
	if why := s.static(name, h); why != "" {
		return why
	}
	for _, peer := range s.rules(name).MachineOf {
		_, ordered := s.live(h)[peer]
		if peer != name && !(ordered && there[peer]) && !slices.Contains(g, peer) {
			return "lacks its peer " + string(peer)
		}
	}
	for _, others := range []iter.Seq[unit.Name]{maps.Keys(there), slices.Values(g)} {
		for other := range others {
			if s.rivals(name, other) {
				return "rival " + string(other)
			}
		}
	}
	for _, spread := range s.rules(name).Spread {
		if spread.Required && s.skewed(name, spread, h, g...) {
			return "too many in its " + spread.Key
		}
	}
	return ""
}

// static is the rule about the machine alone that name fails on h.
func (s *sim) static(name unit.Name, h *host) string {
	rules := s.rules(name)
	if rules.MachineID != "" && rules.MachineID != string(h.id) {
		return "is not on its machine"
	}
	metadata := s.settings[h.id].Overlay(h.record.Metadata)
	for _, r := range rules.Metadata {
		if !r.Match(metadata) {
			return "lacks " + r.String()
		}
	}
	return ""
}

// rivals tells whether the two may not share a machine.
func (s *sim) rivals(a, b unit.Name) bool {
	if a == b {
		return false
	}
	return s.aims(a, b, false) || s.aims(b, a, false) || s.aims(a, b, true) || s.aims(b, a, true)
}

// aims tells whether a names b in Conflicts=, or in Replaces=.
func (s *sim) aims(a, b unit.Name, replaces bool) bool {
	if _, exists := s.units[a]; !exists {
		return false
	}
	globs := s.rules(a).Conflicts
	if replaces {
		globs = s.rules(a).Replaces
	}
	return slices.ContainsFunc(globs, func(g unit.Glob) bool { return g.Match(b) })
}

// tied are the units that have to be placed with name, as they want a place too and name each other, directly
// or through others, in MachineOf; name among them, by age.
func (s *sim) tied(name unit.Name, homeless func(unit.Name) bool) []unit.Name {
	g := []unit.Name{name}
	for i := 0; i < len(g); i++ {
		for other := range s.units {
			names := slices.Contains(s.rules(g[i]).MachineOf, other) || slices.Contains(s.rules(other).MachineOf, g[i])
			if names && homeless(other) && !slices.Contains(g, other) {
				g = append(g, other)
			}
		}
	}
	slices.SortFunc(g, func(a, b unit.Name) int { return int(s.units[a].Generation - s.units[b].Generation) })
	return g
}

// victims are the priorities, the highest first, of those that have to leave h for g to come, units that follow
// them included, where nothing but room is lacking: as few as possible, and of as many those of the lowest
// priorities. False if there are none, or that would not help.
func (s *sim) victims(h *host, g []unit.Name) ([]int, bool) {
	if s.barsByRules(h, g, nil) != "" {
		return nil, false
	}
	priority := s.rules(g[0]).Priority
	for _, name := range g {
		priority = min(priority, s.rules(name).Priority)
	}
	var may []unit.Name
	for name := range s.live(h) {
		if s.displaceable(name, h, priority) && !slices.Contains(g, name) {
			may = append(may, name)
		}
	}
	var best []int
	for mask := 1; mask < 1<<len(may); mask++ {
		away := make(names)
		for i, name := range may {
			if mask&(1<<i) != 0 {
				for _, follower := range s.followers(name, h) {
					away[follower] = true
				}
			}
		}
		if slices.ContainsFunc(s.needed(g), func(peer unit.Name) bool { return away[peer] }) {
			continue // nobody displaces whom he needs
		}
		if best != nil && len(away) > len(best) || s.lacksRoom(h, g, away) != "" {
			continue
		}
		if of := s.priorities(h, away); best == nil || compareVictimsNaively(of, best) < 0 {
			best = of
		}
	}
	return best, best != nil
}

// needed are the units that those of g have to be with, directly or through others.
func (s *sim) needed(g []unit.Name) []unit.Name {
	all := slices.Clone(g)
	for i := 0; i < len(all); i++ {
		for _, peer := range s.rules(all[i]).MachineOf {
			if !slices.Contains(all, peer) {
				all = append(all, peer)
			}
		}
	}
	return all
}

// priorities lists those of units on h, the highest first.
func (s *sim) priorities(h *host, of names) []int {
	var all []int
	for name := range of {
		all = append(all, s.rulesOf(name, s.orders[h.id].Units[name].Content).Priority)
	}
	slices.SortFunc(all, func(a, b int) int { return b - a })
	return all
}

func compareVictimsNaively(a, b []int) int {
	return cmp.Or(len(a)-len(b), slices.Compare(a, b))
}

// displaceable tells whether a unit on h, and whoever has to follow it, may be displaced by that priority.
func (s *sim) displaceable(name unit.Name, h *host, priority int) bool {
	for _, follower := range s.followers(name, h) {
		rules := s.rulesOf(follower, s.orders[h.id].Units[follower].Content)
		if rules.Priority >= priority || rules.Kept {
			return false
		}
	}
	return true
}

// followers are the units on h that cannot stay there without name, itself included.
func (s *sim) followers(name unit.Name, h *host) []unit.Name {
	all := []unit.Name{name}
	for i := 0; i < len(all); i++ {
		for other, o := range s.live(h) {
			if slices.Contains(s.rulesOf(other, o.Content).MachineOf, all[i]) && !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	return all
}
