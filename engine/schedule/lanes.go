package schedule

import (
	"math"
	"slices"

	"fleet/engine/schedule/index"
)

// order is a way in which machines are preferred.
type order int

const (
	fullest  order = iota // the least free capacity first: exact best fit
	fewest                // the fewest units first
	emptiest              // the most free capacity first
	orders
)

// lane has machines in one order. A machine whose resources changed is put to its place when
// the lane is used next, so that an order nobody asks for costs nothing.
type lane struct {
	ix    *index.Index
	stale []*machine
}

// lanes are some machines in every order.
type lanes [orders]lane

func (s *State) newLanes() lanes {
	var l lanes
	for o := range l {
		l[o].ix = index.New(s.bySlot.less)
	}
	return l
}

// slotted gives the listed machines numbers.
type slotted struct {
	of   []*machine
	free []index.Slot
}

func (n *slotted) less(a, b index.Slot) bool { return n.of[a].id < n.of[b].id }

func (n *slotted) take(m *machine) {
	if last := len(n.free) - 1; last >= 0 {
		m.slot = n.free[last]
		n.free = n.free[:last]
		n.of[m.slot] = m
		return
	}
	m.slot = index.Slot(len(n.of))
	n.of = append(n.of, m)
}

func (n *slotted) leave(m *machine) {
	n.of[m.slot] = nil
	n.free = append(n.free, m.slot)
}

// list makes m one of the machines that may be given units, or takes it out.
func (s *State) list(m *machine, eligible bool) {
	if m.listed == eligible {
		return
	}
	m.listed = eligible
	if !eligible {
		s.spot(m)
	}
	i, _ := slices.BinarySearchFunc(s.listed, m, byID)
	if !eligible {
		s.listed = slices.Delete(s.listed, i, i+1)
		s.leavePool(m)
		for o := range s.lanes {
			s.lanes[o].ix.Drop(m.slot)
		}
		m.stale = 0
		s.bySlot.leave(m)
		return
	}
	s.listed = slices.Insert(s.listed, i, m)
	s.bySlot.take(m)
	s.spot(m)
	s.joinPool(m)
	s.unsettle(m)
}

// unsettle notes that m is not at its place in any order.
func (s *State) unsettle(m *machine) {
	s.changes++
	if !m.listed {
		return
	}
	for o := range order(orders) {
		if bit := uint8(1) << o; m.stale&bit == 0 {
			m.stale |= bit
			s.lanes[o].stale = append(s.lanes[o].stale, m)
		}
		if bit := uint8(1) << (orders + o); m.stale&bit == 0 {
			m.stale |= bit
			m.pool.lanes[o].stale = append(m.pool.lanes[o].stale, m)
		}
	}
}

// lane returns the machines of p, or of the cluster if that is nil, in that order, all at their places.
func (s *State) lane(p *pool, o order) *index.Index {
	l, bit := &s.lanes[o], uint8(1)<<o
	if p != nil {
		l, bit = &p.lanes[o], uint8(1)<<(orders+o)
	}
	for _, m := range l.stale {
		if m.stale&bit == 0 || !m.listed || p != nil && m.pool != p {
			continue
		}
		m.stale &^= bit
		free := m.free()
		l.ix.Put(m.slot, s.score(m, o), &free)
	}
	l.stale = l.stale[:0]
	return l.ix
}

// haste is how often a unit counts whose start has not been reported yet, where machines are sought that
// have little to do: a machine that has just come back empty does not receive everything.
const haste = 4

// score is the place of m in an order: the smaller the better.
func (s *State) score(m *machine, o order) int64 {
	switch o {
	case fewest:
		return m.used.v[slots] + (haste-1)*m.arriving.v[slots]
	case emptiest:
		return -freeOf(m, haste-1)
	}
	return freeOf(m, 0)
}

// freeOf measures how much is free on m: the sum, over the resources that it has, of the square root of the share that is
// free. The root makes a machine count as full that has nearly none of one resource left, whatever it has of
// the others, which no unit could use there. Of the measures that depend on the machine alone, and so allow an
// index, it packs best (docs/benchmarks.md). Each term is rounded, so that the sum does not depend on their order.
// Extra is how many times more what is about to start there counts. Then named resources are left out: that a
// machine has a device which nobody uses does not make it idle.
func freeOf(m *machine, extra int64) int64 {
	dimensions := index.Dims + len(m.capacity.more)
	if extra > 0 {
		dimensions = firstNamed
	}
	var sum int64
	for i := slots + 1; i < dimensions; i++ {
		has := m.capacity.at(i)
		if has <= 0 {
			continue
		}
		free := float64(has-m.used.at(i)-extra*m.arriving.at(i)) / float64(has)
		sum += int64(math.Copysign(math.Sqrt(math.Abs(free)), free) * allFree)
	}
	return sum
}

// allFree is the measure of a resource that is free altogether.
const allFree = 1 << 40
