package schedule

import "slices"

// kin are the instances of one template, which Spread spreads. They are counted
// while one of them asks for it. Those count that are ordered, or have a claim; one that is
// being handed over counts where it goes.
type kin struct {
	members []*task
	queued  set[*task] // those that wait to leave until fewer are down, see unavailable.go
	askers  int        // how many of them have a Spread
	skewed  set[*task] // those that are on no machine, perhaps because of a required Spread
	on      map[*machine]int
	in      []map[int]int // for each metadata key: how many are on machines with that value
}

// adopt makes a new unit one of its kin. One that is no instance has none.
func (s *State) adopt(t *task) {
	if !t.name.IsInstance() {
		return
	}
	k, ok := s.kins[t.name.Template()]
	if !ok {
		k = &kin{}
		s.kins[t.name.Template()] = k
	}
	t.kin, t.place = k, len(k.members)
	k.members = append(k.members, t)
}

func (s *State) disown(t *task) {
	k := t.kin
	if k == nil {
		return
	}
	k.queued.drop(t)
	last := len(k.members) - 1
	k.members[t.place], k.members[last].place = k.members[last], t.place
	k.members = k.members[:last]
	if last == 0 {
		delete(s.kins, t.name.Template())
	}
}

// setTaste gives t what it demands and prefers of metadata.
func (s *State) setTaste(t *task, taste *taste) {
	before := t.taste.spreads()
	t.taste = taste
	switch after := taste.spreads(); {
	case after && !before:
		s.ask(t, +1)
	case before && !after:
		s.ask(t, -1)
	}
}

// ask counts a unit that has a Spread, or has none any more.
func (s *State) ask(t *task, by int) {
	k := t.kin
	if k == nil {
		return
	}
	k.askers += by
	switch {
	case by > 0 && k.askers == 1:
		k.on = make(map[*machine]int)
		for _, o := range k.members {
			for _, m := range o.where {
				s.countKin(m, o, gone, m.tasks[o].standing)
				s.countGiver(o, berth{}, m.tasks[o])
			}
		}
	case k.askers == 0:
		k.on, k.in = nil, nil
	}
}

// countKin follows a change of t's standing on m.
func (s *State) countKin(m *machine, t *task, was, is standing) {
	k := t.kin
	if k == nil || k.askers == 0 || (was > lingering) == (is > lingering) {
		return
	}
	by := 1
	if was > lingering {
		by = -1
	}
	k.tally(m, by)
	for u := range k.skewed.of {
		s.wake(u)
	}
}

// countGiver does not count a unit where it is handed over from, as long as it is.
func (s *State) countGiver(t *task, was, is berth) {
	if t.kin == nil || t.kin.askers == 0 || was.from == is.from {
		return
	}
	if was.from != nil {
		t.kin.tally(was.from, +1)
	}
	if is.from != nil {
		t.kin.tally(is.from, -1)
	}
}

// given tells whether t is being handed over from m.
func (t *task) given(m *machine) bool {
	return len(t.where) > 1 && slices.ContainsFunc(t.where, func(o *machine) bool { return o.tasks[t].from == m })
}

func (k *kin) tally(m *machine, by int) {
	if k.on[m] += by; k.on[m] == 0 {
		delete(k.on, m)
	}
	k.count(m.pool, by)
}

func (k *kin) count(p *pool, by int) {
	if p == nil {
		return
	}
	for key, value := range p.domain {
		for len(k.in) <= key {
			k.in = append(k.in, make(map[int]int))
		}
		if k.in[key][value] += by; k.in[key][value] == 0 {
			delete(k.in[key], value)
		}
	}
}

// countAll counts the kin on a machine that joins a pool, or leaves it.
func (s *State) countAll(m *machine, by int) {
	for t, b := range m.tasks {
		if t.kin != nil && t.kin.askers > 0 && b.standing > lingering && !t.given(m) {
			t.kin.count(m.pool, by)
		}
	}
}

// crowd is how many kin of t, others than itself, are in the domain of m, or of p if m is nil, under sp.
func (t *task) crowd(sp *spread, p *pool, m *machine) int {
	k, n := t.kin, 0
	switch {
	case k == nil:
		return 0
	case sp.overMachines():
		if m == nil {
			return 0
		}
		n = k.on[m]
	case sp.key < len(k.in):
		n = k.in[sp.key][p.domain[sp.key]]
	}
	return n - t.counted(sp, p, m)
}

// counted is 1 if t itself is counted in the domain of m.
func (t *task) counted(sp *spread, p *pool, m *machine) int {
	for _, at := range t.where {
		if at.tasks[t].standing <= lingering || t.given(at) {
			continue
		}
		if sp.overMachines() && at == m || !sp.overMachines() && at.pool != nil && at.pool.domain[sp.key] == p.domain[sp.key] {
			return 1
		}
	}
	return 0
}

// least is how many kin of t there are in the domain that has the fewest, of those that t may use,
// when so many more are in that of a machine.
func (s *State) least(t *task, sp *spread, more int, at *machine) int {
	k, least, machines := t.kin, -1, 0
	if k == nil {
		return 0
	}
	pools := s.choosable(t.taste)
	for i := range pools {
		p := pools[i].pool
		machines += p.machines
		if sp.overMachines() || p.domain[sp.key] == noDomain {
			continue
		}
		n := t.crowd(sp, p, nil)
		if more > 0 && p.domain[sp.key] == at.pool.domain[sp.key] {
			n += more
		}
		if least < 0 || n < least {
			least = n
		}
	}
	if !sp.overMachines() {
		return max(least, 0)
	}
	for m := range k.on {
		if !m.listed || !t.taste.allows(m.pool) {
			continue
		}
		machines--
		n := t.crowd(sp, m.pool, m)
		if m == at {
			n += more
		}
		if least < 0 || n < least {
			least = n
		}
	}
	if _, counted := k.on[at]; more > 0 && !counted { // it is not one without, then
		machines--
		if least < 0 || more < least {
			least = more
		}
	}
	if machines > 0 {
		return 0
	}
	return max(least, 0)
}

// kinAmong counts the kin of t that would come to the domain of m along with it, and are not counted there yet.
func (t *task) kinAmong(g group, sp *spread, m *machine) int {
	n := 0
	for _, u := range g {
		if u != t && t.kin != nil && u.kin == t.kin && u.counted(sp, m.pool, m) == 0 {
			n++
		}
	}
	return n
}

// leastOf is least for the i-th Spread of t. It is found once for all machines at which a search looks.
func (s *State) leastOf(t *task, i, more int, at *machine) int {
	if more > 0 {
		return s.least(t, &t.taste.spread[i], more, at)
	}
	if c := &s.leastFor; c.task != t || c.changes != s.changes || c.gen != s.poolGen {
		*c = leasts{task: t, changes: s.changes, gen: s.poolGen}
		for i := range t.taste.spread {
			c.of[i] = s.least(t, &t.taste.spread[i], 0, nil)
		}
	}
	return s.leastFor.of[i]
}

// leasts are the smallest numbers of kin of one unit in any domain of each of its Spreads, as long as nothing changes.
type leasts struct {
	task    *task
	changes int64
	gen     int
	of      [maxSpreads]int
}
