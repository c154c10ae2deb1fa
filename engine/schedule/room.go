package schedule

import (
	"fmt"
	"slices"

	"fleet/unit"
)

// The rule of resources: what is held for units never exceeds what a machine has for units, at no moment.
// A unit that is stopping counts as long as it is there.
const resourcesRule = "Resources"

// lack is what a machine has too little of.
type lack struct {
	resource int
	needed   int64
	missing  int64
}

func placeResources(s *State, g group, t *task, m *machine) fit {
	if t != g[0] {
		return fit{} // asked about all of them at once
	}
	more, whole := g.needOn(m)
	i, ok := m.hasRoom(more, whole, nil)
	if ok {
		return fit{}
	}
	if _, ok := m.hasRoom(more, whole, &m.fading); ok {
		return fit{class: soon}
	}
	short := s.lackOf(m, more, whole, i)
	if g.replacing() {
		if _, ok := m.hasRoom(more, whole, g.yield(m)); ok {
			return fit{class: takes}
		}
	}
	return fit{class: impossible, lack: short}
}

// lackOf tells what m lacks, of which i is the first in the order of numbers. As those are given to named resources as
// they come, of these the one whose name is the first is told.
func (s *State) lackOf(m *machine, more, whole *quantity, i int) lack {
	for k := firstNamed; i >= firstNamed && k < len(s.resources.names); k++ {
		if s.resources.names[k] < s.resources.names[i] && whole.at(k) > 0 && more.at(k) > m.freeWith(k, nil) {
			i = k
		}
	}
	return lack{resource: i, needed: whole.at(i), missing: more.at(i) - m.freeWith(i, nil)}
}

// hasRoom tells whether a group that needs so much more than is held for it fits into what is free on m
// together with what will become free; if not, the first resource in which it does not. Nothing is
// asked about a resource of which the group needs nothing, or of which it needs no more than it has there.
func (m *machine) hasRoom(more, whole, becomes *quantity) (int, bool) {
	for i := range len(more.v) + max(len(more.more), len(whole.more)) {
		if whole.at(i) > 0 && more.at(i) > m.freeWith(i, becomes) {
			return i, false
		}
	}
	return 0, true
}

func (m *machine) freeWith(i int, becomes *quantity) int64 {
	free := m.capacity.at(i) - m.used.at(i)
	if becomes != nil {
		free += becomes.at(i)
	}
	return free
}

// needOn is what the group takes of m: beyond what is held there for its members already, and as a whole.
// That something is held for a unit that is not ordered there does not say that there is room for it:
// who was to make way for it may not have gone.
func (g group) needOn(m *machine) (more, whole *quantity) {
	if len(g) == 1 {
		t := g[0]
		if t.share == 0 && m.tasks[t].hold == nil {
			return t.need, t.need
		}
	}
	more, whole = &quantity{}, &quantity{}
	for _, t := range g {
		need := t.needOn(m)
		b := m.tasks[t]
		if b.standing == gone {
			more.add(need, 1)
			whole.add(need, 1)
			continue
		}
		grown := quantity{v: need.v, more: slices.Clone(need.more)}
		grown.atLeast(b.hold)
		if b.standing < taking {
			whole.add(&grown, 1) // what there is of it takes as much until it has stopped, however little it needs now
		}
		grown.add(b.hold, -1)
		more.add(&grown, 1)
		if b.standing >= taking {
			whole.add(&grown, 1) // what it has there it keeps, whatever became of the capacity
		}
	}
	return more, whole
}

// yield is what becomes free on m when all that is stopping there is gone, and all that the group replaces.
func (g group) yield(m *machine) *quantity {
	sum := &quantity{}
	for o, b := range m.tasks {
		if slices.Contains(g, o) {
			continue
		}
		if b.standing == lingering || slices.ContainsFunc(g, func(t *task) bool { return t.aims(replaces, o) }) {
			sum.add(b.hold, 1)
		}
	}
	return sum
}

// keepResources: a unit whose needs have grown stays if its machine has as much more. One whose needs
// have not grown stays, also where the machine's capacity was lowered.
func keepResources(s *State, t *task, m *machine) (bool, string) {
	if t.share == 0 && t.need == m.tasks[t].hold || m.tasks[t].hold == nil || m.record == nil {
		return true, ""
	}
	more, whole := t.alone().needOn(m)
	i, ok := m.hasRoom(more, whole, nil)
	if ok {
		return true, ""
	}
	short := s.lackOf(m, more, whole, i)
	short.needed = t.needOn(m).at(short.resource)
	return false, s.lacks(short)
}

// lacks completes "3 machines …" for machines that have too little of a resource.
func (s *State) lacks(l lack) string {
	if l.resource == slots {
		return "are full (max_units)"
	}
	name := s.resources.names[l.resource]
	return fmt.Sprintf("lack %s of %s", unit.AtLeast(name, l.needed), name)
}
