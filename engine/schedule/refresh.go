package schedule

import (
	"fleet/cluster"
	"fleet/unit"
)

// confirm takes in which of the units that left the orders the machine says are gone, and for
// which of those that changed in them it holds no more than they need now.
func (s *State) confirm(m *machine) {
	for name, d := range m.leaving {
		if m.confirmed(d.revision) {
			delete(m.leaving, name)
			s.stand(m, s.task(name))
		}
	}
	for name, d := range m.changing {
		if m.confirmed(d.revision) {
			delete(m.changing, name)
			s.stand(m, s.task(name))
		}
	}
	s.tidyUp(m)
}

func (m *machine) confirmed(revision int64) bool {
	return m.reported() && m.report.Orders >= revision
}

func (m *machine) leave(name unit.Name, d departure) {
	if m.leaving == nil {
		m.leaving = make(map[unit.Name]departure)
	}
	m.leaving[name] = d
}

func (m *machine) change(name unit.Name, d departure) {
	if m.changing == nil {
		m.changing = make(map[unit.Name]departure)
	}
	m.changing[name] = d
}

// refreshMachine brings up to date what is derived from a machine's records.
func (s *State) refreshMachine(m *machine) {
	switch {
	case m.lost():
		s.undraft(m)
		m.leaving, m.changing = nil, nil
	case m.record != nil && m.written != nil && m.written.Session != m.record.Session && m.reported():
		m.leaving = nil // what has become of that the report tells
	case m.record != nil && !m.reported():
		m.recallLeft()
	}
	s.list(m, false)
	s.refreshFencing(m)
	m.metadata, m.capacity, m.physical = nil, quantity{}, 0
	if m.record != nil {
		m.metadata = m.settings.Overlay(m.record.Metadata)
		m.capacity = s.resources.capacity(m.settings.Limit(m.record.Capacity))
		m.physical = m.record.Capacity.PhysicalMemory
	}
	s.returned.drop(m)
	if m.awaits() && !m.silent() { // nobody would read them, and what is there is not to be judged meanwhile
		s.returned.add(m)
	}
	s.confirm(m)
	s.restand(m)
	for t := range m.tasks {
		s.wakeQueued(t)
		if !s.atRest(t) {
			s.wake(t)
		}
	}
	s.refreshAbsence(m)
	s.tidyUp(m)
	s.announce(m)
}

// restand looks at the standing of every unit that any record ties to the machine.
func (s *State) restand(m *machine) {
	var written map[unit.Name]cluster.Order
	if m.written != nil {
		written = m.written.Units
	}
	if len(m.tasks) == 0 {
		m.tasks = make(map[*task]berth, len(written))
	}
	for t := range m.tasks {
		s.stand(m, t)
	}
	for name := range written {
		s.stand(m, s.task(name))
	}
	if m.report != nil {
		for name := range m.report.Units {
			if _, done := written[name]; !done {
				s.stand(m, s.task(name))
			}
		}
	}
	for name := range m.leaving {
		s.stand(m, s.task(name))
	}
	s.list(m, m.eligible())
	s.mute.put(m, !m.lost() && !m.listed)
}

// ordersWritten takes in own orders that the store has accepted.
func (s *State) ordersWritten(m *machine, orders cluster.Orders) {
	before := m.written
	s.depart(m, before, &orders)
	s.replaceOrders(m, &orders)
	s.undraft(m)
	delete(m.bad, cluster.KindOrders)
	delete(s.corrupt, record{cluster.KindOrders, string(m.id)})
	s.moved.drop(m)
	s.returned.drop(m)
	for name := range orders.Units {
		delete(m.leaving, name)
	}
	if before == nil || before.Session != orders.Session {
		s.restand(m)
		return
	}
	s.confirm(m)
}

// depart remembers what changes in the orders of a session, and what leaves them, until the machine has confirmed it.
func (s *State) depart(m *machine, before, after *cluster.Orders) {
	for name, l := range after.Left {
		if _, already := m.leaving[name]; !already {
			m.leave(name, departure{revision: after.Revision, hold: m.tasks[s.task(name)].hold, unbound: l.Unbound})
		}
	}
	if before == nil || before.Session != after.Session {
		return
	}
	for name, old := range before.Units {
		o, ok := after.Units[name]
		if ok && o.Content == old.Content {
			continue
		}
		if ok {
			m.change(name, departure{revision: after.Revision, hold: m.tasks[s.task(name)].hold})
		}
	}
}

// replaceReport keeps account of which files the report refers to: what a unit takes of its machine is
// known from them until it has gone.
func (s *State) replaceReport(m *machine, report *cluster.Report) {
	var before, after map[unit.Name]cluster.UnitReport
	if m.report != nil {
		before = m.report.Units
	}
	if report != nil {
		after = report.Units
	}
	m.report = report
	for name, r := range after {
		if old := before[name]; old.Content != r.Content {
			s.refer(r.Content, +1)
			s.refer(old.Content, -1)
		}
	}
	for name, r := range before {
		if _, ok := after[name]; !ok {
			s.refer(r.Content, -1)
		}
	}
}

// replaceOrders keeps account of which files the orders refer to.
func (s *State) replaceOrders(m *machine, orders *cluster.Orders) {
	var before map[unit.Name]cluster.Order
	if m.written != nil {
		before = m.written.Units
	}
	m.written = orders
	var after map[unit.Name]cluster.Order
	if orders != nil {
		after = orders.Units
	}
	for name, o := range after {
		if old, ok := before[name]; ok && old.Content == o.Content && old.Generation == o.Generation {
			continue
		}
		s.refer(o.Content, +1)
		t := s.task(name)
		t.orderedGen = max(t.orderedGen, o.Generation)
		if old, ok := before[name]; ok {
			s.refer(old.Content, -1)
		}
	}
	for name, o := range before {
		if _, ok := after[name]; !ok {
			s.refer(o.Content, -1)
		}
	}
}
