package schedule

import (
	"cmp"
	"fmt"
	"slices"
)

// displace picks a machine on which units of lower priority make way for the group: on which the
// fewest have to, and of those machines the one on which they are of the lowest priorities.
func (s *State) displace(g group, candidates []*machine, why why) choice {
	priority := g.priority()
	if !s.anyBelow(priority) {
		return choice{}
	}
	if len(g) == 1 && s.plain(g[0]) && s.futile[g[0].rules] == s.changes {
		return choice{}
	}
	needed := g.needed()
	var best sacrifice
	for _, m := range candidates {
		if !m.listed || !g.everOn(m) || s.suitsButRoom(g, m).class == impossible {
			continue
		}
		if found, ok := s.sacrificeOn(g, m, priority, needed, best.size()); ok && (best.victims == nil || s.cheaper(g, found, best)) {
			best = found
		}
	}
	if best.victims == nil {
		if len(g) == 1 && len(candidates) == len(s.listed) && s.plain(g[0]) {
			if len(s.futile) > fewUnplaced {
				clear(s.futile)
			}
			s.futile[g[0].rules] = s.changes
		}
		return choice{}
	}
	return choice{machine: best.machine, class: takes, why: whyDisplaces, victims: best.victims}
}

// needed lists the group and all that it has to be with: nobody displaces whom he needs.
func (g group) needed() []*task {
	var all []*task
	for _, t := range g {
		all = append(all, closure(t, func(u *task) []*task { return u.peers })...)
	}
	return all
}

// everOn tells whether m would have enough for the group were it empty.
func (g group) everOn(m *machine) bool {
	need := g.need()
	for i := range len(need.v) + len(need.more) {
		if need.at(i) > m.capacity.at(i) && need.at(i) > 0 {
			return false
		}
	}
	return true
}

// sacrifice is what has to leave a machine. The victims are sorted: who is of the highest priority comes first.
type sacrifice struct {
	machine *machine
	victims []*task
}

// size is the number of victims that a better sacrifice must not exceed.
func (sa sacrifice) size() int {
	if sa.victims == nil {
		return unlimited
	}
	return len(sa.victims)
}

func (s *State) cheaper(g group, a, b sacrifice) bool {
	if c := compareVictims(a.victims, b.victims); c != 0 {
		return c < 0
	}
	return s.better(g, a.machine, b.machine)
}

// compareVictims: fewer are better, then lower, the highest of them compared first.
func compareVictims(a, b []*task) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), slices.CompareFunc(a, b, func(x, y *task) int {
		return cmp.Compare(x.rules.Priority, y.rules.Priority)
	}))
}

// priority is the lowest of the group's: none of them displaces what another of them may not.
func (g group) priority() int {
	p := g[0].rules.Priority
	for _, t := range g[1:] {
		p = min(p, t.rules.Priority)
	}
	return p
}

// anyBelow tells whether any unit of a lower priority has a machine.
func (s *State) anyBelow(priority int) bool {
	for p, n := range s.priorities {
		if n > 0 && p < priority {
			return true
		}
	}
	return false
}

// countPriority counts the units on machines by priority.
func (s *State) countPriority(t *task, by int) {
	if by == 0 {
		return
	}
	if s.priorities[t.rules.Priority] += by; s.priorities[t.rules.Priority] == 0 {
		delete(s.priorities, t.rules.Priority)
	}
}

// suitsButRoom asks all rules but that of resources.
func (s *State) suitsButRoom(g group, m *machine) fit {
	for i := range s.rules {
		r := &s.rules[i]
		if r.name == resourcesRule {
			continue
		}
		for _, t := range g {
			if r.of != nil && !r.of(t) {
				continue
			}
			if f := r.place(s, g, t, m); f.class == impossible {
				f.rule = r.name
				return f
			}
		}
	}
	return fit{}
}

// asked is what a group takes of a machine, see group.needOn.
type asked struct{ more, whole *quantity }

func (a asked) roomOn(m *machine, becomes *quantity) bool {
	_, ok := m.hasRoom(a.more, a.whole, becomes)
	return ok
}

// bundle is a unit that may be displaced, with those that have to be with it.
type bundle struct {
	units    []*task
	frees    quantity
	priority int // the highest
}

// sacrificeOn finds the fewest and lowest units without which the group has room on m.
func (s *State) sacrificeOn(g group, m *machine, priority int, needed []*task, limit int) (sacrifice, bool) {
	ask := asked{}
	ask.more, ask.whole = g.needOn(m)
	becomes := quantity{v: m.fading.v, more: slices.Clone(m.fading.more)}
	bundles := s.bundles(g, m, priority, needed)
	for _, b := range bundles {
		becomes.add(&b.frees, 1) // bundles may overlap: this is an upper bound
	}
	if !ask.roomOn(m, &becomes) {
		return sacrifice{}, false
	}
	bundles = distinct(bundles)
	for n := 1; n <= len(bundles) && n <= limit; n++ {
		if !ask.mayDo(m, bundles, n) {
			continue
		}
		if n > exactVictims || n > 2 && len(bundles) > manyBundles {
			return s.greedy(m, ask, bundles, limit)
		}
		if found := s.ofSize(m, ask, bundles, n); found != nil {
			return sacrifice{m, found}, true
		}
	}
	return sacrifice{}, false
}

// manyBundles is how many make it too much to try all choices of three.
const manyBundles = 32

// distinct leaves of the bundles that are single units alike no more than could be needed.
func distinct(bundles []bundle) []bundle {
	var kept []bundle
	for _, b := range bundles {
		alike := 0
		for i := len(kept) - 1; i >= 0 && kept[i].priority == b.priority; i-- {
			if len(b.units) == 1 && len(kept[i].units) == 1 && kept[i].frees.equal(&b.frees) {
				alike++
			}
		}
		if alike < manyBundles {
			kept = append(kept, b)
		}
	}
	return kept
}

// mayDo tells whether n units could be enough, were there in each resource the n that hold the most of it.
func (a asked) mayDo(m *machine, bundles []bundle, n int) bool {
	held := make([]int64, len(bundles))
	for i := range len(a.whole.v) + len(a.whole.more) {
		missing := a.more.at(i) - m.freeWith(i, &m.fading)
		if a.whole.at(i) == 0 || missing <= 0 {
			continue
		}
		for k := range bundles {
			held[k] = bundles[k].frees.at(i)
		}
		slices.Sort(held)
		for _, h := range held[max(0, len(held)-n):] {
			missing -= h
		}
		if missing > 0 {
			return false
		}
	}
	return true
}

// exactVictims is up to how many units are displaced such that no smaller or lower choice would do.
// Beyond that the choice is one of which none could be spared.
const exactVictims = 3

// bundles lists what may be displaced on m, the lowest priority first; of the same priority, whom was requested last.
func (s *State) bundles(g group, m *machine, priority int, needed []*task) []bundle {
	var found []bundle
	for t := range m.tasks {
		if slices.Contains(g, t) {
			continue
		}
		if b, ok := bundleOf(t, m, priority, needed); ok {
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(a, b bundle) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(len(a.units), len(b.units)), -byAge(a.units[0], b.units[0]))
	})
	return found
}

// bundleOf returns a unit with those on m that have to leave when it does. Not ok: one of them may not be displaced.
func bundleOf(t *task, m *machine, priority int, needed []*task) (bundle, bool) {
	b := bundle{units: []*task{t}}
	for i := 0; i < len(b.units); i++ {
		u := b.units[i]
		at := m.tasks[u]
		if slices.Contains(needed, u) || at.standing < taking || u.rules.Priority >= priority || u.rules.Kept || !u.settled() || !u.wanted() {
			return bundle{}, false
		}
		b.frees.add(at.hold, 1)
		b.priority = max(b.priority, u.rules.Priority)
		for _, f := range sortedTasks(u.followers) {
			if m.tasks[f].standing >= taking && !slices.Contains(b.units, f) {
				b.units = append(b.units, f)
			}
		}
	}
	return b, true
}

// ofSize finds n units, with those that go with them, without which there is room; nil if there are none.
func (s *State) ofSize(m *machine, ask asked, bundles []bundle, n int) []*task {
	var best []*task
	picked := make([]int, 0, n)
	var walk func(from int)
	walk = func(from int) {
		if len(picked) > 0 {
			victims, frees := union(m, bundles, picked)
			if len(victims) > n {
				return
			}
			if len(victims) == n {
				if ask.roomOn(m, frees) && (best == nil || compareVictims(victims, best) < 0) {
					best = victims
				}
				return
			}
		}
		for i := from; i < len(bundles); i++ {
			picked = append(picked, i)
			walk(i + 1)
			picked = picked[:len(picked)-1]
		}
	}
	walk(0)
	return best
}

// union returns the units of the picked bundles, and what becomes free on m when they and all that is stopping there are gone.
func union(m *machine, bundles []bundle, picked []int) ([]*task, *quantity) {
	var victims []*task
	frees := &quantity{v: m.fading.v, more: slices.Clone(m.fading.more)}
	for _, i := range picked {
		for _, t := range bundles[i].units {
			if !slices.Contains(victims, t) {
				victims = append(victims, t)
				frees.add(m.tasks[t].hold, 1)
			}
		}
	}
	sortVictims(victims)
	return victims, frees
}

func sortVictims(victims []*task) {
	slices.SortFunc(victims, func(a, b *task) int {
		return cmp.Or(-cmp.Compare(a.rules.Priority, b.rules.Priority), byAge(a, b))
	})
}

// greedy takes whoever frees the most of what is missing, until there is room, and then spares whom it can,
// the highest first.
func (s *State) greedy(m *machine, ask asked, bundles []bundle, limit int) (sacrifice, bool) {
	var picked []int
	for len(picked) < len(bundles) {
		_, frees := union(m, bundles, picked)
		if ask.roomOn(m, frees) {
			break
		}
		best, most := -1, -1.0
		for i := range bundles {
			if gain := ask.gain(m, frees, &bundles[i]); gain > most && !slices.Contains(picked, i) {
				best, most = i, gain
			}
		}
		picked = append(picked, best)
	}
	slices.Sort(picked) // by priority
	for i := len(picked) - 1; i >= 0; i-- {
		without := slices.Delete(slices.Clone(picked), i, i+1)
		if _, frees := union(m, bundles, without); ask.roomOn(m, frees) {
			picked = without
		}
	}
	victims, _ := union(m, bundles, picked)
	return sacrifice{m, victims}, len(victims) <= limit
}

// gain is how much of what is still missing b would free, for each of its units.
func (a asked) gain(m *machine, frees *quantity, b *bundle) float64 {
	sum := 0.0
	for i := range len(a.whole.v) + len(a.whole.more) {
		if missing := a.more.at(i) - m.freeWith(i, frees); a.whole.at(i) > 0 && missing > 0 {
			sum += float64(min(b.frees.at(i), missing)) / float64(missing)
		}
	}
	return sum / float64(len(b.units))
}

// displacedBy is what the log and the displaced unit's record say.
func displacedBy(t *task) string {
	return fmt.Sprintf("displaced by %s (priority %d)", t.name, t.rules.Priority)
}
