package schedule

import (
	"cmp"
	"slices"

	"fleet/engine/schedule/index"
)

// search returns the best machine that fits at once, nil if there is none.
func (s *State) search(g group) *machine {
	o := s.orderOf(g)
	switch t := g[0]; {
	case len(g) == 1 && t.taste != nil:
		return s.searchPools(t, o)
	case slices.ContainsFunc(g, func(t *task) bool { return t.taste.picky() }):
		return s.searchAll(g, o)
	}
	return s.firstIn(g, s.lane(nil, o))
}

// firstIn returns the first machine of an order that fits at once.
func (s *State) firstIn(g group, ix *index.Index) *machine {
	s.seeking = g
	slot, ok := ix.First(&g.need().v, false, s.accept)
	if !ok {
		return nil
	}
	return s.bySlot.of[slot]
}

// accepts tells whether the machine with that number fits those at once for whom one is being sought.
func (s *State) accepts(at index.Slot) bool {
	return !s.seeking.besetAny(at) && s.suits(s.seeking, s.bySlot.of[at]).class == fits
}

// searchAll compares all machines with room.
func (s *State) searchAll(g group, o order) *machine {
	s.seeking = g
	var best *machine
	s.lane(nil, o).Fitting(&g.need().v, func(at index.Slot) bool {
		if m := s.bySlot.of[at]; s.accepts(at) && (best == nil || s.better(g, m, best)) {
			best = m
		}
		return true
	})
	return best
}

// ranked is a pool with the rank that its machines have at best.
type ranked struct {
	pool *pool
	rank rank
	done bool
}

// searchPools goes through the pools that the unit may use, those it likes best first.
func (s *State) searchPools(t *task, o order) *machine {
	allowed := s.choosable(t.taste)
	if !t.taste.picky() {
		return s.firstOf(t, o, allowed)
	}
	least := s.leasts(t)
	s.ranked = s.ranked[:0]
	for i := range allowed {
		a := &allowed[i]
		s.ranked = append(s.ranked, ranked{pool: a.pool, rank: t.rank(a.pool, nil, a.weight, least)})
	}
	var found candidate
	for {
		next := -1
		for i := range s.ranked {
			if r := &s.ranked[i]; !r.done && (next < 0 || r.rank.compare(s.ranked[next].rank) < 0) {
				next = i
			}
		}
		if next < 0 || found.machine != nil && found.rank.compare(s.ranked[next].rank) < 0 {
			s.liked = found.rank
			return found.machine
		}
		s.searchTied(t, o, s.ranked[next].rank, least, &found)
	}
}

// searchTied searches all pools whose machines have that rank at best: each of them, or, if they have many of
// all machines, all machines at once.
func (s *State) searchTied(t *task, o order, hope rank, least *[maxSpreads]int, found *candidate) {
	s.rankings++
	pools, machines := 0, 0
	for i := range s.ranked {
		if r := &s.ranked[i]; !r.done && r.rank == hope {
			r.pool.tied = s.rankings
			pools++
			machines += r.pool.machines
		}
	}
	together := pools > 1 && machines*manyPools > len(s.listed)*pools && !t.taste.overMachines()
	if together {
		s.seeking = t.alone()
		if slot, ok := s.lane(nil, o).First(&t.need.v, false, s.acceptTied); ok {
			m := s.bySlot.of[slot]
			found.offer(m, hope, s.score(m, o))
		}
	}
	for i := range s.ranked {
		if r := &s.ranked[i]; r.pool.tied == s.rankings && !r.done {
			r.done = true
			if !together {
				s.searchPool(t, o, r, least, found)
			}
		}
	}
}

func (s *State) acceptsTied(at index.Slot) bool {
	return s.bySlot.of[at].pool.tied == s.rankings && s.accepts(at)
}

// candidate is the best machine so far.
type candidate struct {
	machine *machine
	rank    rank
	score   int64
}

func (c *candidate) offer(m *machine, r rank, score int64) {
	if c.machine == nil || cmp.Or(r.compare(c.rank), cmp.Compare(score, c.score), byID(m, c.machine)) < 0 {
		*c = candidate{m, r, score}
	}
}

// searchPool offers the best machine of a pool. Within a pool machines differ in rank only by Spread=machine.
func (s *State) searchPool(t *task, o order, p *ranked, least *[maxSpreads]int, found *candidate) {
	lane := s.lane(p.pool, o)
	if !t.taste.overMachines() {
		if m := s.firstIn(t.alone(), lane); m != nil {
			found.offer(m, p.rank, s.score(m, o))
		}
		return
	}
	s.seeking = t.alone()
	// One that has as few as any is the best there can be.
	slot, ok := lane.First(&t.need.v, false, func(at index.Slot) bool {
		return t.rank(p.pool, s.bySlot.of[at], -p.rank.dislike, least) == p.rank && s.accepts(at)
	})
	if ok {
		m := s.bySlot.of[slot]
		found.offer(m, p.rank, s.score(m, o))
		return
	}
	lane.Fitting(&t.need.v, func(at index.Slot) bool {
		if m := s.bySlot.of[at]; s.accepts(at) {
			found.offer(m, t.rank(p.pool, m, -p.rank.dislike, least), s.score(m, o))
		}
		return true
	})
}

// manyPools is from how many on it is better to search all machines than pool by pool.
const manyPools = 16

// firstOf returns the first machine of the pools in that order.
func (s *State) firstOf(t *task, o order, allowed []choosable) *machine {
	if len(allowed) > manyPools {
		return s.firstIn(t.alone(), s.lane(nil, o))
	}
	var found candidate
	for i := range allowed {
		if m := s.firstIn(t.alone(), s.lane(allowed[i].pool, o)); m != nil {
			found.offer(m, rank{}, s.score(m, o))
		}
	}
	return found.machine
}
