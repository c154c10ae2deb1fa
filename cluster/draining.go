package cluster

import (
	"maps"
	"slices"

	"fleet/unit"
)

// Departures is what a machine that is being drained still has.
type Departures struct {
	Moving map[unit.Name]string // those on their way, and how far they are
	Stuck  map[unit.Name]string // those that cannot leave as things stand, and why
	Global []unit.Name          // those that belong to the machine and stay, sorted
	Left   int                  // how many are still there, global ones aside
}

// Draining tells what the machine still has that is to go elsewhere; nothing if it is not there, or not being drained.
func (s *Snapshot) Draining(id MachineID) Departures {
	var d Departures
	machine, there := s.machines[id]
	if !there || !s.settings[id].Draining(machine) {
		return d
	}
	d.Moving, d.Stuck = make(map[unit.Name]string), make(map[unit.Name]string)
	for _, name := range s.on(id) {
		st := s.Status(name)
		switch how, stuck := st.leaves(id); {
		case st.Exists && st.Unit.Desired != Inactive && (st.Unit.Global || s.orders[id].Units[name].Global):
			d.Global = append(d.Global, name)
			continue
		case stuck:
			d.Stuck[name] = how
		default:
			d.Moving[name] = how
		}
		d.Left++
	}
	return d
}

// on lists the units that a machine's orders or its report name, sorted.
func (s *Snapshot) on(id MachineID) []unit.Name {
	names := slices.Collect(maps.Keys(s.orders[id].Units))
	names = slices.AppendSeq(names, maps.Keys(s.reports[id].Units))
	slices.Sort(names)
	return slices.Compact(names)
}

// leaves tells how far the unit is on its way off a machine, or why it cannot leave it.
func (st Status) leaves(id MachineID) (how string, stuck bool) {
	if from, to, ok := st.HandOver(); ok && from == id {
		return "starting on " + to.Short(), false
	}
	for _, c := range st.Copies {
		switch {
		case c.Machine != id || c.Live():
		case c.Order == nil && c.Report != nil && c.Report.Error != "" && c.Told:
			return "stopping: " + c.Report.Error, false
		case c.Order == nil:
			return "stopping", false
		case c.Presence == Returned:
			return "waiting for the engine to look at what runs there", false
		}
	}
	if st.Corrupt != "" {
		return "its record cannot be read: " + st.Corrupt, true
	}
	why := st.considered()
	switch {
	case !st.Exists || st.Unit.Desired == Inactive:
		return "stopping", false
	case why == nil:
		return "waiting for the engine to choose a machine", false
	}
	return why.String(), !why.Waiting
}

// HandOver tells from which machine to which the unit is being handed over: the first has it until it is up on the
// second. Not ok: it is not.
func (st Status) HandOver() (from, to MachineID, ok bool) {
	for _, c := range st.Copies {
		if st.takes(c) {
			return c.Order.Takes, c.Machine, true
		}
	}
	return "", "", false
}

// takes tells whether c is to take the unit over from a machine that has it still.
func (st Status) takes(c Copy) bool {
	if !c.Live() || c.Order.Takes == "" {
		return false
	}
	return slices.ContainsFunc(st.Copies, func(o Copy) bool {
		return o.Machine == c.Order.Takes && o.Live() && o.Order.Takes != c.Machine
	})
}
