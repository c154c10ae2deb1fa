package schedule

import (
	"cmp"
	"slices"

	"fleet/unit"
)

// taste is what units demand and prefer of the metadata of machines. Units whose rules say the same share one.
type taste struct {
	said     map[liking]string // reasons, by what made a machine preferred
	metadata []unit.Requirement
	prefer   []unit.Preference
	spread   []spread

	gen   int         // State.poolGen of what follows
	pools []choosable // the pools that meet the metadata
}

// spread is one Spread of a unit.
type spread struct {
	unit.Spread
	key int // its number; meaningless for single machines
}

func (sp *spread) overMachines() bool { return sp.Key == unit.SpreadMachine }

// choosable is a pool that a taste allows.
type choosable struct {
	pool   *pool
	weight int // of the preferences that it meets
}

// maxSpreads is how many Spreads a unit can have.
const maxSpreads = unit.MaxSpreads

// rank is how a machine compares by what a unit prefers; the smaller the better.
type rank struct {
	skewed  int // bit i: the spread i, counted from the least important, would be exceeded
	dislike int // the negative sum of the weights of the preferences that are met
	crowd   [maxSpreads]int
}

func (r rank) compare(o rank) int {
	return cmp.Or(cmp.Compare(r.skewed, o.skewed), cmp.Compare(r.dislike, o.dislike), slices.Compare(r.crowd[:], o.crowd[:]))
}

// tasteOf returns what the rules say; nil if any machine is as good as another.
func (s *State) tasteOf(r *unit.Rules) *taste {
	if len(r.Metadata) == 0 && len(r.Prefer) == 0 && len(r.Spread) == 0 {
		return nil
	}
	t := &taste{metadata: r.Metadata, prefer: r.Prefer, gen: -1}
	for _, requirement := range r.Metadata {
		s.useKey(requirement.Key)
	}
	for _, p := range r.Prefer {
		s.useKey(p.Key)
	}
	for _, sp := range r.Spread {
		own := spread{Spread: sp}
		if !own.overMachines() {
			own.key = s.useKey(sp.Key)
		}
		t.spread = append(t.spread, own)
	}
	return t
}

// choosable lists the pools whose machines meet the metadata.
func (s *State) choosable(t *taste) []choosable {
	if t.gen == s.poolGen {
		return t.pools
	}
	t.gen, t.pools = s.poolGen, t.pools[:0]
	for _, p := range s.pools {
		if t.allows(p) {
			t.pools = append(t.pools, choosable{p, t.weight(p)})
		}
	}
	return t.pools
}

func (t *taste) allows(p *pool) bool {
	for i := range t.metadata {
		if !t.metadata[i].Match(p.values) {
			return false
		}
	}
	return true
}

func (t *taste) weight(p *pool) int {
	sum := 0
	for i := range t.prefer {
		if t.prefer[i].Match(p.values) {
			sum += t.prefer[i].Weight
		}
	}
	return sum
}

// picky tells whether machines that fit are not all alike to the unit.
func (t *taste) picky() bool { return t != nil && (len(t.prefer) > 0 || len(t.spread) > 0) }

// confines tells whether a required Spread keeps the unit from machines.
func (t *taste) confines() bool {
	return t != nil && slices.ContainsFunc(t.spread, func(sp spread) bool { return sp.Required })
}

func (t *taste) spreads() bool { return t != nil && len(t.spread) > 0 }

func (s *State) rankOf(t *task, p *pool, m *machine) rank {
	return t.rank(p, m, t.taste.weight(p), s.leasts(t))
}

// rank is that of m, or that of the machines of p at best if m is nil.
func (t *task) rank(p *pool, m *machine, weight int, least *[maxSpreads]int) rank {
	r := rank{dislike: -weight}
	for i := range t.taste.spread {
		sp := &t.taste.spread[i]
		r.crowd[i] = t.crowd(sp, p, m)
		lacksKey := !sp.overMachines() && p.domain[sp.key] == noDomain
		if lacksKey || r.crowd[i]+1-least[i] > sp.MaxSkew {
			r.skewed |= 1 << (len(t.taste.spread) - 1 - i)
		}
	}
	return r
}

func (t *taste) overMachines() bool {
	for i := range t.spread {
		if t.spread[i].overMachines() {
			return true
		}
	}
	return false
}

// leasts are those of all Spreads of t.
func (s *State) leasts(t *task) *[maxSpreads]int {
	if len(t.taste.spread) > 0 {
		s.leastOf(t, 0, 0, nil)
	}
	return &s.leastFor.of
}
