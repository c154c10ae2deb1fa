package schedule

import "fleet/engine/schedule/index"

// spots is a set of machines by their numbers.
type spots []uint64

func (p spots) has(at index.Slot) bool {
	i := int(at) / 64
	return i < len(p) && p[i]&(1<<(at%64)) != 0
}

func (p *spots) put(at index.Slot, in bool) {
	i := int(at) / 64
	for len(*p) <= i {
		*p = append(*p, 0)
	}
	if in {
		(*p)[i] |= 1 << (at % 64)
	} else {
		(*p)[i] &^= 1 << (at % 64)
	}
}

// spot notes on which of the listed machines there are units that relations are about, so that
// a search passes over them at the cost of a bit.
func (s *State) spot(m *machine) {
	for t := range m.tasks {
		for r := range relations {
			for _, sel := range t.demands[r] {
				sel.holdersAt.put(m.slot, m.listed && sel.holders[m].all > 0)
			}
			for _, sel := range t.matched[r] {
				sel.targetsAt.put(m.slot, m.listed && sel.targets[m].all > 0)
			}
		}
	}
}

// beset tells whether on that machine there is a unit that a relation ties to t. Only of a unit that is nowhere.
func (t *task) beset(at index.Slot) bool {
	for r := range relations {
		for _, sel := range t.demands[r] {
			if sel.targetsAt.has(at) {
				return true
			}
		}
		for _, sel := range t.matched[r] {
			if sel.holdersAt.has(at) {
				return true
			}
		}
	}
	return false
}

// besetAny tells that of a group that is nowhere; of another it is not known.
func (g group) besetAny(at index.Slot) bool {
	for _, t := range g {
		if len(t.where) > 0 {
			return false
		}
	}
	for _, t := range g {
		if t.beset(at) {
			return true
		}
	}
	return false
}
