package api

import (
	"fleet/cluster"
	"fleet/unit"
)

// concerned is everything that may look different after an update. It is more than
// cluster.Snapshot.Apply says: when a report was written, too, is something that lists show.
type concerned struct {
	units    map[unit.Name]struct{}
	machines map[cluster.MachineID]struct{}
	files    map[unit.ContentID]struct{}
}

// concernedBy tells what u, which is no reset, is about to concern in s.
func concernedBy(s *cluster.Snapshot, u cluster.Update) concerned {
	by := concerned{
		units:    make(map[unit.Name]struct{}),
		machines: make(map[cluster.MachineID]struct{}),
		files:    make(map[unit.ContentID]struct{}),
	}
	for _, c := range u.Changes {
		switch c := c.(type) {
		case cluster.UnitChanged:
			by.units[c.Name] = struct{}{}
		case cluster.PendingChanged:
			by.units[c.Name] = struct{}{}
		case cluster.FileChanged:
			by.files[c.ID] = struct{}{}
		case cluster.MachineChanged:
			by.machines[c.ID] = struct{}{}
		case cluster.SettingsChanged:
			by.machines[c.ID] = struct{}{}
		case cluster.AgentChanged:
			by.machines[c.ID] = struct{}{}
		case cluster.AbsenceChanged:
			by.machines[c.ID] = struct{}{}
		case cluster.OrdersChanged:
			by.machines[c.ID] = struct{}{}
			if c.Orders != nil {
				addKeys(by.units, c.Orders.Units)
			}
		case cluster.ReportChanged:
			by.machines[c.ID] = struct{}{}
			if c.Report != nil {
				addKeys(by.units, c.Report.Units)
			}
		case cluster.Corrupted:
			by.damaged(c)
		}
	}
	// The states of a machine's units say where they are, and whether it is there.
	for id := range by.machines {
		orders, _ := s.Orders(id)
		report, _ := s.Report(id)
		addKeys(by.units, orders.Units)
		addKeys(by.units, report.Units)
	}
	return by
}

func (by concerned) damaged(c cluster.Corrupted) {
	switch c.Kind {
	case cluster.KindUnit, cluster.KindPending:
		by.units[unit.Name(c.ID)] = struct{}{}
	case cluster.KindFile:
		by.files[unit.ContentID(c.ID)] = struct{}{}
	case cluster.KindMachine, cluster.KindSettings, cluster.KindOrders, cluster.KindReport, cluster.KindAgent, cluster.KindAbsence:
		by.machines[cluster.MachineID(c.ID)] = struct{}{}
	}
}

func addKeys[K comparable, V any](to map[K]struct{}, from map[K]V) {
	for key := range from {
		to[key] = struct{}{}
	}
}
