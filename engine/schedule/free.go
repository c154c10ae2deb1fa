package schedule

import (
	"cmp"
	"slices"
)

// free empties machines, those with the fewest units first, as long as all units of one find room on others that
// are not empty. A machine is emptied altogether or not touched.
func (r *rebalancing) free() {
	byCount := r.ladder(func(m *machine) float64 { return float64(m.used.v[slots]) + min(m.share(), 1)/2 })
	byShare := r.ladder((*machine).share)
	r.changed = func(m *machine) {
		byCount.update(m)
		byShare.update(m)
	}
	for freed := true; freed; {
		freed = false
		for failed := (set[*machine]{}); ; {
			i := slices.IndexFunc(byCount.rungs, func(m *machine) bool { return m.listed && !m.crewless() && !failed.has(m) })
			if i < 0 {
				break
			}
			if m := byCount.rungs[i]; r.empty(m, byShare) {
				freed = true
			} else {
				failed.add(m)
			}
		}
	}
	r.changed = nil
}

// empty moves all units off a machine, or none.
func (r *rebalancing) empty(m *machine, byShare *ladder) bool {
	movers := r.movers(m)
	groups, n := slices.Clone(movers.of), 0
	for _, g := range groups {
		n += len(g)
	}
	if !movers.all || n == 0 || !r.affords(n) {
		return false
	}
	slices.SortStableFunc(groups, func(a, b group) int {
		return -cmp.Compare(m.shareWith(a.holdOn(m), +1), m.shareWith(b.holdOn(m), +1))
	})
	to := hosts(m, byShare)
	since := len(r.made)
	if moves := r.fill(groups, m, to); moves != nil && r.tryAll(moves) {
		return true
	}
	r.undo(since)
	// One by one: units that have to do with each other may fit where all at once did not seem to.
	for _, g := range groups {
		if !r.tryFirst(g, m, to) {
			r.undo(since)
			return false
		}
	}
	return true
}

// hosts are the machines that may take what is on m, the fullest first, so that room that is left stays in one piece.
func hosts(m *machine, byShare *ladder) []*machine {
	var to []*machine
	for _, o := range slices.Backward(byShare.rungs) {
		if o != m && o.listed && !o.closed() && !o.crewless() {
			to = append(to, o)
		}
	}
	return to
}

func (r *rebalancing) tryAll(moves []relocation) bool {
	for _, m := range moves {
		if !r.try(m) {
			return false
		}
	}
	return true
}

func (r *rebalancing) tryFirst(g group, from *machine, to []*machine) bool {
	for _, m := range to {
		if r.try(relocation{group: g, from: from, to: m}) {
			return true
		}
	}
	return false
}

// patientLooks bounds how many machines are looked at to find out how to empty one, beyond the first attempt.
const patientLooks = 20_000

// fill finds places for all groups, as far as room and each group's own rules go; nil if it finds none.
func (r *rebalancing) fill(groups []group, from *machine, to []*machine) []relocation {
	looks := len(groups)*len(to) + patientLooks
	taken := make(map[*machine]*quantity)
	var moves []relocation
	var place func(i int) bool
	place = func(i int) bool {
		if i == len(groups) {
			return true
		}
		for _, m := range to {
			if looks--; looks < 0 {
				return false
			}
			more, whole := groups[i].needOn(m)
			if _, ok := m.hasRoom(more, whole, negative(taken[m])); !ok || r.verdict(groups[i], m).class != fits {
				continue
			}
			if taken[m] == nil {
				taken[m] = &quantity{}
			}
			taken[m].add(more, 1)
			moves = append(moves, relocation{group: groups[i], from: from, to: m})
			if place(i + 1) {
				return true
			}
			moves = moves[:len(moves)-1]
			taken[m].add(more, -1)
		}
		return false
	}
	if !place(0) {
		return nil
	}
	return moves
}

// negative is what is taken as something that becomes free.
func negative(taken *quantity) *quantity {
	if taken == nil {
		return nil
	}
	less := &quantity{}
	less.add(taken, -1)
	return less
}
