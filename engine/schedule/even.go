package schedule

import (
	"cmp"
	"slices"
)

// What a move has to bring so that it is worth stopping a unit for it.
const (
	evenEnough = 0.10 // shares that differ by no more are even
	worthwhile = 0.05 // by how much the fuller of two machines becomes less full, or by half of what is moved if that is less
)

// even takes from the fullest machine that has something to give, as long as the move is worthwhile. The machine that
// receives stays less full than the one that gives was, so that this ends: the list of shares, the
// fullest first, becomes smaller with every move. When nothing is left to even out about what units reserve, the numbers of units
// are evened out by moving those that reserve nothing.
func (r *rebalancing) even() {
	byShare := r.ladder((*machine).share)
	byCount := r.ladder(func(m *machine) float64 { return float64(m.used.v[slots]) })
	r.changed = func(m *machine) {
		byShare.update(m)
		byCount.update(m)
	}
	for range len(r.tasks) + 1 { // each unit about once, if it were not for the limit
		if !r.climbDown(byShare, r.worth) && !r.climbDown(byCount, r.worthCounting) {
			break
		}
	}
	r.changed = nil
}

// ladder has the present machines sorted by a measure, the smallest first.
type ladder struct {
	measure func(*machine) float64
	rungs   []*machine
	at      map[*machine]float64
	spent   set[*machine] // those of which it is known, or was, that they have nothing to give
}

func (r *rebalancing) ladder(measure func(*machine) float64) *ladder {
	l := &ladder{measure: measure, rungs: r.present(), at: make(map[*machine]float64)}
	for _, m := range l.rungs {
		l.at[m] = measure(m)
	}
	slices.SortFunc(l.rungs, l.compare)
	return l
}

func (l *ladder) compare(a, b *machine) int {
	return cmp.Or(cmp.Compare(l.at[a], l.at[b]), byID(a, b))
}

func (l *ladder) update(m *machine) {
	i, _ := slices.BinarySearchFunc(l.rungs, m, l.compare)
	l.rungs = slices.Delete(l.rungs, i, i+1)
	l.at[m] = l.measure(m)
	i, _ = slices.BinarySearchFunc(l.rungs, m, l.compare)
	l.rungs = slices.Insert(l.rungs, i, m)
}

// worth of moving a group, per unit of it; not above 0: it is not worthwhile.
type worth func(g group, from, to *machine) float64

// climbDown makes the best move from the highest machine that has one.
func (r *rebalancing) climbDown(l *ladder, worth worth) bool {
	for {
		fresh := l.spent.empty()
		for i := len(l.rungs) - 1; i > 0; i-- {
			from := l.rungs[i]
			if l.spent.has(from) {
				continue
			}
			if m, ok := r.bestFrom(from, l, worth); ok && r.try(m) {
				return true
			}
			l.spent.add(from)
		}
		l.spent = set[*machine]{}
		if fresh {
			return false
		}
	}
}

// differing is how many machines are looked at on which a move is worth no more than one that is known already: such
// behind them are fuller, but they may be larger.
const differing = 16

// bestFrom finds the move off a machine that is worth most.
func (r *rebalancing) bestFrom(from *machine, l *ladder, worth worth) (relocation, bool) {
	var best relocation
	most := 0.0
	for _, g := range r.movers(from).of {
		if !r.affords(len(g)) {
			continue
		}
		misses := 0
		for _, to := range l.rungs {
			w := worth(g, from, to)
			if w == tooClose || misses == differing {
				break // and so are all behind it
			}
			if w <= most {
				misses++
				continue
			}
			if r.verdict(g, to).class == fits {
				best, most = relocation{group: g, from: from, to: to}, w
				break
			}
		}
	}
	return best, most > 0
}

// tooClose is the worth of a move between machines that are even enough.
const tooClose = -1

// worth is by how much the fuller of the two machines becomes less full.
func (r *rebalancing) worth(g group, from, to *machine) float64 {
	a, b := from.share(), to.share()
	if a-b <= evenEnough {
		return tooClose
	}
	more, _ := g.needOn(to)
	left, grown := from.shareWith(g.holdOn(from), -1), to.shareWith(more, +1)
	gain := a - max(left, grown)
	if gain < min(worthwhile, (a-left)/2) {
		return 0
	}
	return gain / float64(len(g))
}

// worthCounting is the same for units that reserve nothing, by how many units machines have. The shares
// that worth evens out are left even by it.
func (r *rebalancing) worthCounting(g group, from, to *machine) float64 {
	n := int64(len(g))
	a, b := from.used.v[slots], to.used.v[slots]
	if a-b < 2 || float64(a-b) <= evenEnough*float64(a) {
		return tooClose
	}
	more, _ := g.needOn(to)
	if !more.bare() || to.shareWith(more, +1) > max(to.share(), from.share()-evenEnough, evenEnough) {
		return 0
	}
	return float64(a-max(a-n, b+n)) / float64(n)
}
