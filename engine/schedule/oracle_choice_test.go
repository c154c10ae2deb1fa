package schedule

import (
	"cmp"
	"maps"
	"math/big"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// best is the machine that the documented order of wishes puts first for the units of g, out of those that
// do not bar them; nil if there is none. They wish what the first of them wishes.
func (s *sim) best(g []unit.Name) *host {
	var fit []*host
	for _, h := range s.present() {
		if s.bars(h, g, nil) == "" {
			fit = append(fit, h)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return slices.MinFunc(fit, func(a, b *host) int {
		return cmp.Or(
			s.compareWishes(g[0], a, b),
			s.compareRoom(g, a, b),
			cmp.Compare(a.id, b.id))
	})
}

func (s *sim) compareWishes(name unit.Name, a, b *host) int {
	if c := cmp.Compare(s.preference(name, b), s.preference(name, a)); c != 0 {
		return c
	}
	for _, spread := range s.rules(name).Spread {
		if c := cmp.Compare(s.alike(name, spread.Key, a), s.alike(name, spread.Key, b)); c != 0 {
			return c
		}
	}
	return 0
}

// preference is the weight of what name would like and h has.
func (s *sim) preference(name unit.Name, h *host) int {
	sum := 0
	metadata := s.settings[h.id].Overlay(h.record.Metadata)
	for _, p := range s.rules(name).Prefer {
		if p.Match(metadata) {
			sum += p.Weight
		}
	}
	return sum
}

// domain is what h counts as for a Spread over that key; false if it counts as nothing.
func (s *sim) domain(h *host, key string) (string, bool) {
	if key == unit.SpreadMachine {
		return string(h.id), true
	}
	value, ok := s.settings[h.id].Overlay(h.record.Metadata)[key]
	return value, ok
}

// alike is how many other instances of name's template are in the domain of h.
func (s *sim) alike(name unit.Name, key string, h *host) int {
	own, ok := s.domain(h, key)
	if !ok {
		return 1 << 30
	}
	n := 0
	for _, other := range s.present() {
		if d, ok := s.domain(other, key); !ok || d != own {
			continue
		}
		for sibling := range s.there(other) {
			if sibling != name && name.IsInstance() && sibling.Template() == name.Template() {
				n++
			}
		}
	}
	return n
}

// compareRoom is the strategy: who reserves nothing goes where the fewest units are, who reserves something
// where the least is left, or with Strategy=spread the most.
func (s *sim) compareRoom(g []unit.Name, a, b *host) int {
	needs := amounts{}
	for _, name := range g {
		needs.add(s.needs(name, s.units[name].Content, 1<<30))
	}
	delete(needs, unit.Slots)
	maps.DeleteFunc(needs, func(_ string, n int64) bool { return n == 0 })
	if len(needs) == 0 {
		return cmp.Compare(len(s.there(a)), len(s.there(b)))
	}
	strategy := cmp.Or(s.rules(g[0]).Strategy, s.strategy, unit.Pack)
	c := s.free(a).Cmp(s.free(b))
	if strategy == unit.SpreadEvenly {
		return -c
	}
	return c
}

// free is what is left on h, each resource as a share of what the whole cluster offers of it.
func (s *sim) free(h *host) *big.Rat {
	all := amounts{}
	for _, other := range s.present() {
		all.add(s.limits(other))
	}
	limits, taken := s.limits(h), total(s.taken(h))
	sum := new(big.Rat)
	for resource, limit := range limits {
		if resource != unit.Slots && all[resource] > 0 {
			sum.Add(sum, big.NewRat(limit-taken[resource], all[resource]))
		}
	}
	return sum
}

// dream is a copy of the facts in which units can be placed without anybody's decision.
func (s *sim) dream() *sim {
	d := *s
	d.orders = make(map[cluster.MachineID]cluster.Orders)
	for _, h := range s.present() {
		o := s.orders[h.id]
		o.Session, o.Units = h.record.Session, maps.Clone(o.Units)
		if o.Units == nil {
			o.Units = make(map[unit.Name]cluster.Order)
		}
		d.orders[h.id] = o
	}
	d.pending = make(map[unit.Name]cluster.Pending)
	return &d
}

// put places a unit.
func (s *sim) put(name unit.Name, h *host) {
	s.orders[h.id].Units[name] = cluster.Order{Content: s.units[name].Content, Desired: cluster.Launched}
}
