package schedule

import (
	"cmp"
	"maps"
	"math"
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

// compareWishes: no Spread exceeded that need not be, the most important first; the more of the preferences; the
// fewer of its kind in the same domain.
func (s *sim) compareWishes(name unit.Name, a, b *host) int {
	spreads := s.rules(name).Spread
	for _, spread := range spreads {
		if x, y := s.skewed(name, spread, a), s.skewed(name, spread, b); x != y {
			if x {
				return 1
			}
			return -1
		}
	}
	if c := cmp.Compare(s.preference(name, b), s.preference(name, a)); c != 0 {
		return c
	}
	for _, spread := range spreads {
		if c := cmp.Compare(s.alike(name, spread.Key, a), s.alike(name, spread.Key, b)); c != 0 {
			return c
		}
	}
	return 0
}

// preference is the weight of what name would like and h has.
func (s *sim) preference(name unit.Name, h *host) int {
	sum := 0
	for _, p := range s.rules(name).Prefer {
		if p.Match(s.metadata(h)) {
			sum += p.Weight
		}
	}
	return sum
}

func (s *sim) metadata(h *host) map[string]string {
	return s.settings[h.id].Overlay(h.record.Metadata)
}

// domain is what h counts as for a Spread over that key; false if it counts as nothing.
func (s *sim) domain(h *host, key string) (string, bool) {
	if key == unit.SpreadMachine {
		return string(h.id), true
	}
	value, ok := s.metadata(h)[key]
	return value, ok
}

// alike is how many other instances of name's template are ordered to be in the domain of h, or awaited there.
func (s *sim) alike(name unit.Name, key string, h *host) int {
	value, has := s.domain(h, key)
	n := 0
	for _, other := range s.present() {
		if v, ok := s.domain(other, key); ok != has || v != value {
			continue
		}
		for sibling := range s.there(other) {
			_, ordered := s.live(other)[sibling]
			ordered = ordered && !s.givenAway(sibling, other.id) || s.pending[sibling].Place == other.id
			if ordered && sibling != name && name.IsInstance() && sibling.Template() == name.Template() {
				n++
			}
		}
	}
	return n
}

// skewed tells whether with name on it, and those that come along, the domain of h would have more than the
// allowed number beyond the domain with the fewest, of those to which name could be given as far as its metadata say.
func (s *sim) skewed(name unit.Name, spread unit.Spread, h *host, along ...unit.Name) bool {
	here, ok := s.domain(h, spread.Key)
	if !ok {
		return true
	}
	more := 0
	for _, u := range along {
		if u == name || !name.IsInstance() || u.Template() != name.Template() {
			continue
		}
		more++
		for _, other := range s.present() {
			if v, _ := s.domain(other, spread.Key); v == here && (s.pending[u].Place == other.id || s.ordered(u, other)) {
				more--
			}
		}
	}
	least := -1
	for _, other := range s.present() {
		v, ok := s.domain(other, spread.Key)
		if !ok || !other.hears() || !s.meets(name, other) {
			continue
		}
		n := s.alike(name, spread.Key, other)
		if v == here {
			n += more
		}
		if least < 0 || n < least {
			least = n
		}
	}
	return s.alike(name, spread.Key, h)+more+1-max(least, 0) > spread.MaxSkew
}

func (s *sim) ordered(name unit.Name, h *host) bool {
	_, ok := s.live(h)[name]
	return ok
}

// meets tells whether h has the metadata that name demands.
func (s *sim) meets(name unit.Name, h *host) bool {
	for _, r := range s.rules(name).Metadata {
		if !r.Match(s.metadata(h)) {
			return false
		}
	}
	return true
}

// compareRoom is the strategy: who reserves nothing goes where the fewest units are, who reserves something
// where the least is left, or with Strategy=spread the most.
func (s *sim) compareRoom(g []unit.Name, a, b *host) int {
	bare, strategy := true, s.strategy
	for _, name := range g {
		rules := s.rules(name)
		n := rules.Needs
		bare = bare && n.Memory == 0 && n.MemoryShare == 0 && n.CPU == 0 && n.Disk == 0 && len(n.Named) == 0
		strategy = cmp.Or(rules.Strategy, strategy)
	}
	switch {
	case bare:
		return cmp.Compare(s.busy(a), s.busy(b))
	case strategy == unit.SpreadEvenly:
		return cmp.Compare(s.free(b, 3), s.free(a, 3))
	}
	return cmp.Compare(s.free(a, 0), s.free(b, 0))
}

// busy is how many units there are on h; one that has not been reported as started counts as four.
func (s *sim) busy(h *host) int {
	n := len(s.there(h))
	for name := range s.live(h) {
		if !s.arrived(h, name) {
			n += 3
		}
	}
	return n
}

func (s *sim) arrived(h *host, name unit.Name) bool {
	r, ok := h.report.Units[name]
	return ok && max(r.Generation, r.Tried) >= s.live(h)[name].Generation
}

// free is the sum of the roots of the free shares of what h has. What has not been reported as started counts
// so many times more; then devices and the like are no matter.
func (s *sim) free(h *host, more int64) int64 {
	limits, taken := s.limits(h), s.taken(h)
	used := total(taken)
	for name := range s.live(h) {
		if !s.arrived(h, name) {
			for resource, n := range taken[name] {
				used[resource] += more * n
			}
		}
	}
	var sum int64
	for resource, has := range limits {
		common := resource == unit.Memory || resource == unit.CPU || resource == unit.Disk
		if resource == unit.Slots || has <= 0 || more > 0 && !common {
			continue
		}
		share := float64(has-used[resource]) / float64(has)
		sum += int64(math.Copysign(math.Sqrt(math.Abs(share)), share) * (1 << 40))
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
