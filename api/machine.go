package api

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// MachineDetail is everything about one machine.
type MachineDetail struct {
	Machine

	// Presence is lost for a machine that has gone and is still known: of such a machine only what it was last, the
	// units that it was told to have, and the settings are known.
	Presence   cluster.Presence `json:"presence"`
	Ordered    []Ordered        `json:"ordered,omitempty"`    // what it was told to have, by name
	UnitStates []UnitState      `json:"unitStates,omitempty"` // what it says that it has, by name
	Settings   *MachineSettings `json:"settings,omitempty"`   // what operators have laid over it
}

// Ordered is a unit that a machine was told to have.
type Ordered struct {
	Name         unit.Name            `json:"name"`
	DesiredState cluster.DesiredState `json:"desiredState"`
	Generation   int64                `json:"generation,omitempty"` // of the request that it expresses
	Content      unit.ContentID       `json:"content,omitempty"`    // SHA-256 of the unit file
	Global       bool                 `json:"global,omitempty"`     // it is on every machine that fits
	Reason       string               `json:"reason,omitempty"`     // why on this machine
	Since        time.Time            `json:"since,omitzero"`       // when it was placed here
	Reserved     *Resources           `json:"reserved,omitempty"`   // of this machine
}

func errNoMachine() *Error { return &Error{http.StatusNotFound, "machine does not exist"} }

func (s *Server) getMachine(w http.ResponseWriter, r *http.Request, raw string) error {
	var detail *MachineDetail
	s.cache().read(func(v view) { detail = v.machineDetail(cluster.MachineID(raw)) })
	if detail == nil {
		return errNoMachine()
	}
	return show(w, r, 0, detail)
}

// machineDetail returns nil if nothing is known of the machine but, at most, settings.
func (v view) machineDetail(id cluster.MachineID) *MachineDetail {
	orders, _ := v.Orders(id)
	machine := v.toldMachine(id)
	if machine == nil {
		return nil
	}
	d := &MachineDetail{Machine: *machine, Presence: v.Presence(id), Settings: v.settings(id)}
	for _, name := range slices.Sorted(maps.Keys(orders.Units)) {
		d.Ordered = append(d.Ordered, v.ordered(id, name, orders.Units[name]))
	}
	report, _ := v.Report(id)
	here := filter{machines: []cluster.MachineID{id}}
	for _, name := range slices.Sorted(maps.Keys(report.Units)) {
		d.UnitStates = append(d.UnitStates, here.states(v, name)...)
	}
	return d
}

func (v view) ordered(id cluster.MachineID, name unit.Name, o cluster.Order) Ordered {
	out := Ordered{
		Name: name, DesiredState: o.Desired, Generation: o.Generation, Content: o.Content,
		Global: o.Global, Reason: o.Reason, Since: o.Since,
	}
	machine, _ := v.Machine(id)
	var sum Resources
	if needs, known := v.needed(o.Content, name); known && sum.add(needs, machine.Capacity.PhysicalMemory) {
		out.Reserved = &sum
	}
	return out
}
