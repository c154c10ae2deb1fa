package cluster

import (
	"cmp"
	"maps"
	"slices"

	"fleet/unit"
)

// All tells the whole snapshot as a first update would, damaged records and the leader included, family
// by family and each in the order of its keys: whoever takes it in knows what s knows. The records
// are s's own, the receiver must not change what they refer to.
func (s *Snapshot) All() Update {
	u := Update{Revision: s.Revision, Reset: true}
	u.Changes = make([]Change, 0, s.records()+2)
	tell(&u, s.units, func(name unit.Name, r *Unit) Change { return UnitChanged{Name: name, Unit: r} })
	tell(&u, s.files, func(id unit.ContentID, f *File) Change {
		return FileChanged{ID: id, File: f.File, Revision: f.Revision}
	})
	tell(&u, s.machines, func(id MachineID, r *Machine) Change { return MachineChanged{ID: id, Machine: r} })
	tell(&u, s.settings, func(id MachineID, r *Settings) Change { return SettingsChanged{ID: id, Settings: r} })
	tell(&u, s.orders, func(id MachineID, r *Orders) Change { return OrdersChanged{ID: id, Orders: r} })
	tell(&u, s.reports, func(id MachineID, r *Report) Change { return ReportChanged{ID: id, Report: r} })
	tell(&u, s.pending, func(name unit.Name, r *Pending) Change { return PendingChanged{Name: name, Pending: r} })
	tell(&u, s.failures, func(name unit.Name, r *Failures) Change { return FailuresChanged{Name: name, Failures: r} })
	tell(&u, s.agents, func(id MachineID, r *Agent) Change { return AgentChanged{ID: id, Agent: r} })
	tell(&u, s.absences, func(id MachineID, r *Absence) Change { return AbsenceChanged{ID: id, Absence: r} })
	tell(&u, s.alarms, func(name AlarmName, r *Alarm) Change { return AlarmChanged{Name: name, Alarm: r} })
	tell(&u, s.acks, func(name AlarmName, r *Ack) Change { return AckChanged{Name: name, Ack: r} })
	if epoch := s.Epoch; epoch != (Epoch{}) {
		u.Changes = append(u.Changes, EpochChanged{Epoch: &epoch})
	}
	for _, kind := range slices.Sorted(maps.Keys(s.corrupt)) {
		tell(&u, s.corrupt[kind], func(id string, err *string) Change { return Corrupted{Kind: kind, ID: id, Err: *err} })
	}
	u.Changes = append(u.Changes, LeaderChanged{Machine: s.Leader})
	return u
}

// records is how many records s holds.
func (s *Snapshot) records() int {
	n := len(s.units) + len(s.files) + len(s.machines) + len(s.settings) + len(s.orders) + len(s.reports) + len(s.pending) + len(s.failures) +
		len(s.agents) + len(s.absences) + len(s.alarms) + len(s.acks)
	for _, ids := range s.corrupt {
		n += len(ids)
	}
	return n
}

func tell[K cmp.Ordered, V any](u *Update, records map[K]V, change func(K, *V) Change) {
	for _, key := range slices.Sorted(maps.Keys(records)) {
		record := records[key]
		u.Changes = append(u.Changes, change(key, &record))
	}
}
