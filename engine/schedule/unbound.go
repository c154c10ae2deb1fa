package schedule

import (
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// A unit that comes to say AtMostOnce may have copies from before it did, which no fence ends: where it runs, where it is
// still stopping, and where it was when a machine was lost. It is bound to a fence anywhere only when all others are gone. What
// a machine may have is in its orders, those that were given and what they have left (cluster.Order, cluster.Left), so that it is
// known of a lost one too, whoever leads.

// unbound tells whether what m may have of t, which is not what its new orders ask for, is a copy that no fence ends.
func (s *State) unbound(m *machine, t *task) bool {
	if m.written != nil && m.written.Session == m.addressee() {
		if old, ordered := m.written.Units[t.name]; ordered {
			return old.Fence == 0 || old.Unbound
		}
	}
	if d, left := m.leaving[t.name]; left {
		return d.unbound
	}
	found, here := m.copyOf(t.name)
	if !here {
		return false
	}
	read, _ := s.reading(t.name, found.Content) // a file is loaded when nothing runs that another has started
	return read == nil || !read.rules.AtMostOnce
}

// fulfilled tells whether m has said that all that the order asks for is done there.
func (m *machine) fulfilled(name unit.Name, o cluster.Order) bool {
	found, here := m.copyOf(name)
	return here && found.Content == o.Content && found.Generation >= o.Generation
}

// loose returns a lost machine that may run a copy of t, which says AtMostOnce, that no fence has ended. Nil: there is none.
func (s *State) loose(t *task) *machine {
	if !exclusive(t) {
		return nil
	}
	var first *machine
	for m := range s.losses.missed.of {
		if m.written.Loose(t.name) && (first == nil || byID(m, first) < 0) {
			first = m
		}
	}
	return first
}

// apart tells whether t is to leave all machines before it is given to one as what must not run twice: it has come to say so, and
// may be on another one than its home.
func (s *State) apart(t *task, home *machine) bool {
	if o := home.orderFor(t); !exclusive(t) || o.Fence != 0 && !o.Unbound {
		return false
	}
	return slices.ContainsFunc(t.where, func(m *machine) bool { return m != home && m.still(t.name) }) || s.loose(t) != nil
}

// takeApart takes t off all its machines.
func (s *State) takeApart(t *task) {
	for _, m := range slices.Clone(t.where) {
		if m.tasks[t].standing >= taking { // the orders of one that has not reported yet are not to be touched
			s.remove(m, t, "has come to say AtMostOnce, and may run on another machine")
		}
	}
	s.release(t)
	s.leavers.drop(t)
	s.wake(t)
}

// leftBy is what m may still have although orders of these units do not name it.
func (s *State) leftBy(m *machine, after map[unit.Name]cluster.Order) map[unit.Name]cluster.Left {
	var left map[unit.Name]cluster.Left
	for t := range m.tasks {
		if _, named := after[t.name]; named || !m.still(t.name) {
			continue
		}
		if left == nil {
			left = make(map[unit.Name]cluster.Left)
		}
		left[t.name] = cluster.Left{Unbound: s.unbound(m, t)}
	}
	return left
}

// recallLeft takes from the orders what may still be on m: a former leader has taken it off, or a former session had it.
func (m *machine) recallLeft() {
	if m.written == nil {
		return
	}
	for name, l := range m.written.Left {
		if _, known := m.leaving[name]; !known {
			m.leave(name, departure{revision: m.written.Revision, unbound: l.Unbound})
		}
	}
}

// tidyUp has the orders of m written anew if they say that something may be there without a fence, the machine has said that it
// is gone, and that would matter if it were lost: because the unit says AtMostOnce, or because the machine is about to leave.
func (s *State) tidyUp(m *machine) {
	if m.tidy || m.record == nil || m.written == nil || !m.live() || !m.confirmed(m.written.Revision) {
		return
	}
	for name, l := range m.written.Left {
		if l.Unbound && !m.still(name) && (m.emptied() != "" || exclusive(s.task(name))) {
			m.tidy = true
			s.moved.add(m)
			return
		}
	}
}

// tidyAfter is tidyUp for all machines that may have had t before it came to say AtMostOnce.
func (s *State) tidyAfter(t *task) {
	for _, m := range s.machines {
		if m.written != nil && m.written.Left[t.name].Unbound {
			s.tidyUp(m)
		}
	}
}
