package schedule

import (
	"fleet/cluster"
	"fleet/unit"
)

// confirm takes in which of the units that left the orders the machine says are gone.
func (s *State) confirm(m *machine) {
	for name, revision := range m.leaving {
		if !m.confirmed(revision) {
			continue
		}
		delete(m.leaving, name)
		s.stand(m, s.task(name))
	}
}

func (m *machine) confirmed(revision int64) bool {
	return m.reported() && m.report.Orders >= revision
}

func (m *machine) leave(name unit.Name, revision int64) {
	if m.leaving == nil {
		m.leaving = make(map[unit.Name]int64)
	}
	m.leaving[name] = revision
}

// refreshMachine brings up to date what is derived from a machine's records.
func (s *State) refreshMachine(m *machine) {
	s.patience.absent = nil
	if m.lost() {
		m.next, m.rewrite, m.with, m.leaving = nil, false, nil, nil
		s.moved.drop(m)
	}
	m.metadata = nil
	if m.record != nil {
		m.metadata = m.settings.Overlay(m.record.Metadata)
	}
	s.returned.drop(m)
	if m.awaits() {
		s.returned.add(m)
	}
	s.open.set(m, false)
	s.confirm(m)
	s.restand(m)
	s.open.set(m, m.eligible())
	for t := range m.tasks {
		s.wake(t)
	}
	s.announce(m)
}

// announce wakes all that may profit from a machine that came, changed or went.
func (s *State) announce(m *machine) {
	for t := range s.unplaced.of {
		s.wake(t)
	}
	if len(s.globals) > 0 && m.listed {
		s.recheck.add(m)
	}
}

// restand looks at the standing of every unit that any record ties to the machine.
func (s *State) restand(m *machine) {
	for t := range m.tasks {
		s.stand(m, t)
	}
	for name := range m.units() {
		s.stand(m, s.task(name))
	}
	if m.written != nil {
		for name := range m.written.Units {
			s.stand(m, s.task(name))
		}
	}
	if m.report != nil {
		for name := range m.report.Units {
			s.stand(m, s.task(name))
		}
	}
	for name := range m.leaving {
		s.stand(m, s.task(name))
	}
	s.open.set(m, m.eligible())
}

// ordersWritten takes in own orders that the store has accepted.
func (s *State) ordersWritten(m *machine, orders cluster.Orders) {
	before := m.written
	s.replaceOrders(m, &orders)
	m.next, m.rewrite, m.with = nil, false, nil
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
	for name := range before.Units {
		if _, ok := orders.Units[name]; !ok {
			m.leave(name, orders.Revision)
		}
	}
	s.confirm(m)
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
