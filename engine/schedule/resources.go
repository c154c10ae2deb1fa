package schedule

import (
	"math"
	"slices"

	"fleet/cluster"
	"fleet/engine/schedule/index"
	"fleet/unit"
)

// The dimensions of the index that every fleet has. The first resources with
// names of an operator's own have the others; the rest are compared one by one.
const (
	slots = iota
	memory
	cpu
	disk
	firstNamed
)

// unlimited is the capacity of a dimension in which nothing is counted. It leaves room to add and subtract.
const unlimited = math.MaxInt64 / 4

// most is the largest amount that counts: with more, sums over a cluster would overflow.
const most = 1 << 53

// quantity are so much of every resource. Those that a unit has are never changed.
type quantity struct {
	v    index.Vector
	all  bool    // it stands for everything that a machine has, because what is taken is not known
	more []int64 // of the named resources that have no dimension, by their number; what is not there is 0
}

func (a *quantity) at(i int) int64 {
	if i < index.Dims {
		return a.v[i]
	}
	if i -= index.Dims; i < len(a.more) {
		return a.more[i]
	}
	return 0
}

func (a *quantity) set(i int, n int64) {
	if i < index.Dims {
		a.v[i] = n
		return
	}
	i -= index.Dims
	for len(a.more) <= i {
		a.more = append(a.more, 0)
	}
	a.more[i] = n
}

// add changes a by so many times b; nil is nothing.
func (a *quantity) add(b *quantity, times int64) {
	if b == nil {
		return
	}
	for i := range a.v {
		a.v[i] += times * b.v[i]
	}
	for i, n := range b.more {
		a.set(index.Dims+i, a.at(index.Dims+i)+times*n)
	}
}

func (a *quantity) equal(b *quantity) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil || a.v != b.v {
		return false
	}
	for i := range max(len(a.more), len(b.more)) {
		if a.at(index.Dims+i) != b.at(index.Dims+i) {
			return false
		}
	}
	return true
}

// atLeast makes a the larger of a and b in every dimension.
func (a *quantity) atLeast(b *quantity) {
	for i := range index.Dims + len(b.more) {
		if n := b.at(i); n > a.at(i) {
			a.set(i, n)
		}
	}
}

// bare tells whether the unit reserves nothing but its place among the machine's units.
func (a *quantity) bare() bool {
	for _, n := range a.v[slots+1:] {
		if n > 0 {
			return false
		}
	}
	return !slices.ContainsFunc(a.more, func(n int64) bool { return n > 0 })
}

// resources gives every resource a number.
type resources struct {
	names  []string
	number map[string]int
}

func newResources() resources {
	r := resources{number: make(map[string]int)}
	for _, name := range []string{unit.Slots, unit.Memory, unit.CPU, unit.Disk} {
		r.of(name)
	}
	return r
}

func (r *resources) of(name string) int {
	i, ok := r.number[name]
	if !ok {
		i = len(r.names)
		r.number[name] = i
		r.names = append(r.names, name)
	}
	return i
}

// bareNeed is what a unit takes that reserves nothing: its place among the machine's units.
var bareNeed = &quantity{v: index.Vector{slots: 1}}

// need is what a unit takes of every machine alike.
func (r *resources) need(n unit.Needs) *quantity {
	if n.Memory == 0 && n.CPU == 0 && n.Disk == 0 && len(n.Named) == 0 {
		return bareNeed
	}
	a := &quantity{}
	a.v[slots] = 1
	r.fill(a, n.Resources)
	return a
}

func (r *resources) fill(a *quantity, of unit.Resources) {
	a.v[memory], a.v[cpu], a.v[disk] = bounded(of.Memory), bounded(of.CPU), bounded(of.Disk)
	for name, n := range of.Named {
		a.set(r.of(name), bounded(n))
	}
}

func bounded(n int64) int64 { return min(max(n, 0), most) }

// capacity is what a machine has for units.
func (r *resources) capacity(c cluster.Capacity) quantity {
	var a quantity
	r.fill(&a, c.Resources)
	a.v[slots] = unlimited
	if c.MaxUnits > 0 {
		a.v[slots] = int64(c.MaxUnits)
	}
	return a
}

// needOn is what t takes of m.
func (t *task) needOn(m *machine) *quantity { return m.part(t.need, t.share) }

// part is a need of m, if its memory is not an amount but a share of what m has.
func (m *machine) part(need *quantity, share int64) *quantity {
	if share == 0 {
		return need
	}
	a := &quantity{v: need.v, more: need.more}
	a.v[memory] = bounded(unit.ShareOf(m.physical, share))
	return a
}

// needAs is what t takes of m with that content. What cannot be read any more is as it was known last. Of
// what never was known the worst is assumed, but not of a file that is damaged: that would close every machine
// with such a unit.
func (s *State) needAs(t *task, content unit.ContentID, m *machine, known *quantity) *quantity {
	if content == t.content {
		return t.needOn(m)
	}
	read, problem := s.reading(t.name, content)
	switch {
	case problem == "":
		return m.part(read.need, read.share)
	case known != nil && !known.all:
		return known
	case !s.files[content].there():
		// It is on its way out, as nothing but the machine's report names that file any more.
		all := quantity{all: true, v: m.capacity.v, more: slices.Clone(m.capacity.more)}
		all.v[slots] = 1
		return &all
	}
	return t.needOn(m)
}

// holdOf is what has to be kept on m for t, which is there or may be there: as much as the
// largest needs that any of its contents has, of which one may still run and one be about to.
func (s *State) holdOf(m *machine, t *task, st standing, known *quantity) *quantity {
	var hold *quantity
	own := false
	join := func(need *quantity) {
		switch {
		case hold == nil:
			hold = need
		case hold.equal(need):
		case !own:
			hold, own = &quantity{v: hold.v, more: slices.Clone(hold.more)}, true
			hold.atLeast(need)
		default:
			hold.atLeast(need)
		}
	}
	take := func(content unit.ContentID) { join(s.needAs(t, content, m, known)) }
	if st == claimed {
		take(t.content)
	}
	if o, ok := m.order(t); ok && st >= taking {
		take(o.Content)
	}
	if m.reported() {
		if r, ok := m.report.Units[t.name]; ok && r.Content != "" {
			take(r.Content)
		}
	}
	if d, ok := m.changing[t.name]; ok && d.hold != nil {
		join(d.hold)
	}
	if hold == nil && m.written != nil {
		if o, ok := m.written.Units[t.name]; ok {
			take(o.Content)
		}
	}
	if d, ok := m.leaving[t.name]; ok && d.hold != nil && hold == nil {
		hold = d.hold
	}
	if hold == nil {
		if known != nil {
			return known
		}
		hold = t.needOn(m)
	}
	if known != nil && known.equal(hold) {
		return known
	}
	return hold
}
