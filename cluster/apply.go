package cluster

import "fleet/unit"

func set[K comparable, V any](m map[K]V, key K, value *V) {
	if value == nil {
		delete(m, key)
		return
	}
	m[key] = *value
}

func (s *Snapshot) heal(kind Kind, id string) { delete(s.corrupt[kind], id) }

func (c UnitChanged) apply(s *Snapshot) {
	s.heal(KindUnit, string(c.Name))
	set(s.units, c.Name, c.Unit)
}

func (c FileChanged) apply(s *Snapshot) {
	s.heal(KindFile, string(c.ID))
	if c.File == nil {
		delete(s.files, c.ID)
		return
	}
	s.files[c.ID] = File{File: c.File, Revision: c.Revision}
}

func (c MachineChanged) apply(s *Snapshot) {
	s.heal(KindMachine, string(c.ID))
	set(s.machines, c.ID, c.Machine)
}

func (c SettingsChanged) apply(s *Snapshot) {
	s.heal(KindSettings, string(c.ID))
	set(s.settings, c.ID, c.Settings)
}

func (c OrdersChanged) apply(s *Snapshot) {
	s.heal(KindOrders, string(c.ID))
	for name := range s.orders[c.ID].Units {
		s.count(name, c.ID, -1)
	}
	set(s.orders, c.ID, c.Orders)
	for name := range s.orders[c.ID].Units {
		s.count(name, c.ID, +1)
	}
}

func (c ReportChanged) apply(s *Snapshot) {
	s.heal(KindReport, string(c.ID))
	for name := range s.reports[c.ID].Units {
		s.count(name, c.ID, -1)
	}
	set(s.reports, c.ID, c.Report)
	for name := range s.reports[c.ID].Units {
		s.count(name, c.ID, +1)
	}
}

func (c PendingChanged) apply(s *Snapshot) {
	s.heal(KindPending, string(c.Name))
	set(s.pending, c.Name, c.Pending)
}

func (c FailuresChanged) apply(s *Snapshot) {
	s.heal(KindFailures, string(c.Name))
	set(s.failures, c.Name, c.Failures)
}

func (c AgentChanged) apply(s *Snapshot) {
	s.heal(KindAgent, string(c.ID))
	set(s.agents, c.ID, c.Agent)
}

func (c AbsenceChanged) apply(s *Snapshot) {
	s.heal(KindAbsence, string(c.ID))
	set(s.absences, c.ID, c.Absence)
}

func (c AlarmChanged) apply(s *Snapshot) {
	s.heal(KindAlarm, string(c.Name))
	set(s.alarms, c.Name, c.Alarm)
}

func (c AckChanged) apply(s *Snapshot) {
	s.heal(KindAck, string(c.Name))
	set(s.acks, c.Name, c.Ack)
}

func (c EpochChanged) apply(s *Snapshot) {
	s.heal(KindEpoch, EpochID)
	s.Epoch = Epoch{}
	if c.Epoch != nil {
		s.Epoch = *c.Epoch
	}
}

func (c LeaderChanged) apply(s *Snapshot) { s.Leader = c.Machine }

// apply drops the readable record too, so that what a reader sees does not
// depend on whether it was there before the record was damaged. Only of the epoch is kept what is known:
// stamps must not go back.
func (c Corrupted) apply(s *Snapshot) {
	switch c.Kind {
	case KindUnit:
		UnitChanged{Name: unit.Name(c.ID)}.apply(s)
	case KindFile:
		FileChanged{ID: unit.ContentID(c.ID)}.apply(s)
	case KindMachine:
		MachineChanged{ID: MachineID(c.ID)}.apply(s)
	case KindSettings:
		SettingsChanged{ID: MachineID(c.ID)}.apply(s)
	case KindOrders:
		OrdersChanged{ID: MachineID(c.ID)}.apply(s)
	case KindReport:
		ReportChanged{ID: MachineID(c.ID)}.apply(s)
	case KindPending:
		PendingChanged{Name: unit.Name(c.ID)}.apply(s)
	case KindFailures:
		FailuresChanged{Name: unit.Name(c.ID)}.apply(s)
	case KindAgent:
		AgentChanged{ID: MachineID(c.ID)}.apply(s)
	case KindAbsence:
		AbsenceChanged{ID: MachineID(c.ID)}.apply(s)
	case KindAlarm:
		AlarmChanged{Name: AlarmName(c.ID)}.apply(s)
	case KindAck:
		AckChanged{Name: AlarmName(c.ID)}.apply(s)
	}
	if s.corrupt[c.Kind] == nil {
		s.corrupt[c.Kind] = make(map[string]string)
	}
	s.corrupt[c.Kind][c.ID] = c.Err
}

func (s *Snapshot) count(name unit.Name, id MachineID, by int) {
	m := s.copies[name]
	if m == nil {
		m = make(map[MachineID]int, 1)
		s.copies[name] = m
	}
	m[id] += by
	if m[id] > 0 {
		return
	}
	delete(m, id)
	if len(m) == 0 {
		delete(s.copies, name)
	}
}
