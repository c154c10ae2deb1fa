package api

import (
	"net/http"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// machineList are the machines that are present, and with absent=true those that are still known.
func machineList() collection[cluster.MachineID, Machine] {
	return collection[cluster.MachineID, Machine]{
		name: "machines", page: "machines",
		keys: func(v view, q *listQuery) []cluster.MachineID {
			all := v.past.present
			if q.absent {
				all = allMachines(all, v.past.away)
			}
			if len(q.machines) > 0 {
				return common(q.machines, all)
			}
			return all
		},
		items: func(v view, id cluster.MachineID, q *listQuery, _ detail) []Machine {
			if m := q.machine(v, id); m != nil {
				return []Machine{*m}
			}
			return nil
		},
		minor: func(Machine) string { return "" },
	}
}

func (s *Server) listMachines(w http.ResponseWriter, r *http.Request) error {
	return answerList(s, machineList(), w, r)
}

// machine returns nil if the machine is not selected. Names and patterns select those that have such a unit.
func (f *filter) machine(v view, id cluster.MachineID) *Machine {
	if f.ofNames() && !v.hasUnit(id, f.named) {
		return nil
	}
	if m := v.awayMachine(id); m != nil {
		if slices.ContainsFunc(f.selector, func(r unit.Requirement) bool { return !r.Match(m.Metadata) }) {
			return nil
		}
		return m
	}
	if !f.fits(v, id) {
		return nil
	}
	return v.machine(id)
}

// hasUnit tells whether a machine was told to have, or reports, a unit with such a name.
func (v view) hasUnit(id cluster.MachineID, named func(unit.Name) bool) bool {
	orders, _ := v.Orders(id)
	for name := range orders.Units {
		if named(name) {
			return true
		}
	}
	report, _ := v.Report(id)
	for name := range report.Units {
		if named(name) {
			return true
		}
	}
	return false
}
