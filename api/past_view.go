package api

import (
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// What follows stands before the methods of the snapshot in a view: what was replaced since the past that
// the view is of, is as it was then.

// Status is everything known of one unit.
func (v view) Status(name unit.Name) cluster.Status {
	if v.past != nil {
		if st, kept := v.past.units[name]; kept {
			return *st
		}
	}
	return v.Snapshot.Status(name)
}

// record returns the record of a unit, zero if it has none.
func (v view) record(name unit.Name) cluster.Unit {
	if st, kept := v.past.units[name]; kept {
		return st.Unit
	}
	u, _ := v.Unit(name)
	return u
}

// phase is how far the last request for a unit that is in a list has come.
func (v view) phase(name unit.Name) cluster.Phase {
	if _, kept := v.past.units[name]; kept || v.past.whole != nil {
		phase, _ := v.Status(name).Outcome()
		return phase
	}
	return v.located[name].phase
}

// File returns the unit file with that id.
func (v view) File(id unit.ContentID) (cluster.File, bool) {
	if v.past.replaced(id) {
		f := v.past.files[id]
		return f.file, f.there
	}
	return v.Snapshot.File(id)
}

// replaced tells whether there was another file, or none, or there is none any more.
func (p *past) replaced(id unit.ContentID) bool {
	if p == nil {
		return false
	}
	_, kept := p.files[id]
	return kept
}

// other tells whether something may have been different about what a machine has to have.
func (p *past) other(id cluster.MachineID) bool {
	if p == nil {
		return false
	}
	_, kept := p.machines[id]
	return kept || len(p.files) > 0 || p.whole != nil
}

func (v view) pastMachine(id cluster.MachineID) (pastMachine, bool) {
	if v.past == nil {
		return pastMachine{}, false
	}
	m, kept := v.past.machines[id]
	return m, kept
}

// Machine returns a machine that is present.
func (v view) Machine(id cluster.MachineID) (cluster.Machine, bool) {
	if m, kept := v.pastMachine(id); kept {
		return m.machine, m.there
	}
	return v.Snapshot.Machine(id)
}

// Settings returns an operator's settings for a machine.
func (v view) Settings(id cluster.MachineID) cluster.Settings {
	if m, kept := v.pastMachine(id); kept {
		return m.settings
	}
	return v.Snapshot.Settings(id)
}

// Metadata is what placement sees of a machine.
func (v view) Metadata(id cluster.MachineID) map[string]string {
	if m, kept := v.pastMachine(id); kept {
		return m.settings.Overlay(m.machine.Metadata)
	}
	return v.Snapshot.Metadata(id)
}

// Orders returns a machine's orders.
func (v view) Orders(id cluster.MachineID) (cluster.Orders, bool) {
	if m, kept := v.pastMachine(id); kept {
		return m.orders, m.ordered
	}
	return v.Snapshot.Orders(id)
}

// Report returns a present machine's report.
func (v view) Report(id cluster.MachineID) (cluster.Report, bool) {
	if m, kept := v.pastMachine(id); kept {
		return m.report, m.reported
	}
	return v.Snapshot.Report(id)
}

// Absence returns since when a machine is silent or gone.
func (v view) Absence(id cluster.MachineID) (cluster.Absence, bool) {
	if m, kept := v.pastMachine(id); kept {
		return m.absence, m.absent
	}
	return v.Snapshot.Absence(id)
}

// State is how a machine is, and since when.
func (v view) State(id cluster.MachineID) (cluster.MachineState, time.Time) {
	if m, kept := v.pastMachine(id); kept {
		return m.state, m.since
	}
	return v.Snapshot.State(id)
}

// Corrupt returns the error of a machine's record, or of a file, that cannot be read. Of a unit Status has it.
func (v view) Corrupt(kind cluster.Kind, id string) (string, bool) {
	switch {
	case kind == cluster.KindFile && v.past.replaced(unit.ContentID(id)):
		f := v.past.files[unit.ContentID(id)]
		return f.damage, f.damaged
	case kind == cluster.KindMachine:
		if m, kept := v.pastMachine(cluster.MachineID(id)); kept {
			return m.damage, m.damaged
		}
	}
	return v.Snapshot.Corrupt(kind, id)
}

// leads tells whether the machine's engine leads.
func (v view) leads(id cluster.MachineID) bool {
	if v.past != nil {
		return v.past.leader == id
	}
	return v.Leader == id
}
