package cluster

import "fleet/unit"

// touch collects the units that c concerns, as s stands.
func (s *Snapshot) touch(c Change, into map[unit.Name]struct{}) {
	switch c := c.(type) {
	case UnitChanged:
		into[c.Name] = struct{}{}
	case PendingChanged:
		into[c.Name] = struct{}{}
	case FailuresChanged:
		into[c.Name] = struct{}{}
	case MachineChanged:
		s.touchMachine(c.ID, into)
	case SettingsChanged:
		s.touchMachine(c.ID, into)
	case AgentChanged:
		s.touchMachine(c.ID, into)
	case AbsenceChanged:
		s.touchMachine(c.ID, into)
	case OrdersChanged:
		s.touchOrders(c, into)
	case ReportChanged:
		s.touchReport(c, into)
	case Corrupted:
		switch c.Kind {
		case KindUnit, KindPending, KindFailures:
			into[unit.Name(c.ID)] = struct{}{}
		case KindMachine, KindSettings, KindOrders, KindReport, KindAgent, KindAbsence:
			s.touchMachine(MachineID(c.ID), into)
		case KindFile:
			s.touchFile(unit.ContentID(c.ID), into)
		}
	case FileChanged:
		// A file is immutable: only one that was damaged can say anything new.
		if _, damaged := s.Corrupt(KindFile, string(c.ID)); damaged {
			s.touchFile(c.ID, into)
		}
	}
}

func (s *Snapshot) touchFile(id unit.ContentID, into map[unit.Name]struct{}) {
	for name, u := range s.units {
		if u.Content == id {
			into[name] = struct{}{}
		}
	}
}

func (s *Snapshot) touchMachine(id MachineID, into map[unit.Name]struct{}) {
	for name := range s.orders[id].Units {
		into[name] = struct{}{}
	}
	for name := range s.reports[id].Units {
		into[name] = struct{}{}
	}
}

// touchOrders collects only the units whose order differs, so that one start on a
// machine with a thousand units concerns one unit.
func (s *Snapshot) touchOrders(c OrdersChanged, into map[unit.Name]struct{}) {
	var before, after Orders
	before = s.orders[c.ID]
	if c.Orders != nil {
		after = *c.Orders
	}
	same := func(a, b Order) bool { return a == b }
	touchDifferent(before.Units, after.Units, same, into)
	touchLeaving(s.reports[c.ID], into)
	if before.Session != after.Session {
		s.touchMachine(c.ID, into)
	}
}

func (s *Snapshot) touchReport(c ReportChanged, into map[unit.Name]struct{}) {
	var before, after Report
	before = s.reports[c.ID]
	if c.Report != nil {
		after = *c.Report
	}
	touchDifferent(before.Units, after.Units, UnitReport.Equal, into)
	if before.Orders != after.Orders {
		touchLeaving(after, into)
	}
	if before.Session != after.Session {
		s.touchMachine(c.ID, into)
	}
}

// touchLeaving collects the units that cannot leave: whether their errors count
// depends on the orders that the machine has taken in.
func touchLeaving(report Report, into map[unit.Name]struct{}) {
	for name, r := range report.Units {
		if r.Error != "" {
			into[name] = struct{}{}
		}
	}
}

// touchDifferent collects the units that only one of two records has, or that differ in them.
func touchDifferent[V any](before, after map[unit.Name]V, same func(a, b V) bool, into map[unit.Name]struct{}) {
	for name, now := range after {
		if old, ok := before[name]; !ok || !same(old, now) {
			into[name] = struct{}{}
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			into[name] = struct{}{}
		}
	}
}
