package schedule

import (
	"cmp"
	"slices"
)

// openings are the machines that may be given units, those with the fewest
// units first, ties by id.
type openings struct {
	list []*machine
	room int // how many of them are not full
}

func byLoad(a, b *machine) int { return cmp.Or(cmp.Compare(a.load, b.load), byID(a, b)) }

// update brings the machine to its place after its load or eligibility changed.
func (o *openings) update(m *machine) {
	if !m.listed {
		return
	}
	if m.load != len(m.tasks) {
		o.shift(m)
	}
	o.recount(m)
}

// set makes the machine one of the openings, or takes it out.
func (o *openings) set(m *machine, eligible bool) {
	if m.listed == eligible {
		o.update(m)
		return
	}
	if eligible {
		m.load = len(m.tasks)
		i, _ := slices.BinarySearchFunc(o.list, m, byLoad)
		o.list = slices.Insert(o.list, i, m)
		m.listed = true
		o.recount(m)
		return
	}
	i, _ := slices.BinarySearchFunc(o.list, m, byLoad)
	o.list = slices.Delete(o.list, i, i+1)
	m.listed = false
	if m.hasRoom {
		m.hasRoom = false
		o.room--
	}
}

func (o *openings) recount(m *machine) {
	room := !m.full()
	switch {
	case room && !m.hasRoom:
		o.room++
	case !room && m.hasRoom:
		o.room--
	}
	m.hasRoom = room
}

// shift moves the machine to where its new load belongs; only what lies between the two
// places is touched.
func (o *openings) shift(m *machine) {
	from, _ := slices.BinarySearchFunc(o.list, m, byLoad)
	m.load = len(m.tasks)
	rest := o.list[from+1:]
	if n, _ := slices.BinarySearchFunc(rest, m, byLoad); n > 0 {
		copy(o.list[from:], rest[:n])
		o.list[from+n] = m
		return
	}
	to, _ := slices.BinarySearchFunc(o.list[:from], m, byLoad)
	copy(o.list[to+1:from+1], o.list[to:from])
	o.list[to] = m
}
