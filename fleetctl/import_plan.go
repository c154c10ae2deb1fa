package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// importPlan is what there is to do so that a cluster is what a directory says.
type importPlan struct {
	orders   []order
	words    []string // a line for each order
	overlays []overlay
	known    map[unit.Name]api.Unit
}

// overlay is what is to be laid over one machine.
type overlay struct {
	settings api.MachineSettings
	reset    []string // capacity that is to be the machine's own again
	metadata bool     // it changes, and with it where units may be
	cordon   bool     // it changes
}

func newImportPlan(in imported, units []api.Unit, settings []api.MachineSettings, prune bool) importPlan {
	p := importPlan{known: make(map[unit.Name]api.Unit, len(units))}
	for _, u := range units {
		p.known[u.Name] = u
	}
	wanted := make(map[unit.Name]bool, len(in.units))
	for _, x := range in.units {
		wanted[x.name] = true
		p.unit(x, in.desired[x.name])
	}
	for _, u := range units {
		if prune && !wanted[u.Name] {
			p.add(order{unit: u.Name, goal: goalGone, global: u.Global, destroy: true, ifMatch: u.Generation}, "- %s  would be destroyed", u.Name)
		}
	}
	laid := make(map[cluster.MachineID]api.MachineSettings, len(settings))
	for _, s := range settings {
		laid[s.MachineID] = s
	}
	for _, s := range in.machines {
		if o, differs := newOverlay(s, laid[s.MachineID]); differs {
			p.overlays = append(p.overlays, o)
		}
	}
	return p
}

func (p *importPlan) add(o order, format string, args ...any) {
	p.orders = append(p.orders, o)
	p.words = append(p.words, fmt.Sprintf(format, args...))
}

// unit plans for one unit; desired is empty if the directory does not say it.
func (p *importPlan) unit(x *candidate, desired cluster.DesiredState) {
	u, exists := p.known[x.name]
	o := order{unit: x.name, goal: goal(desired), global: x.global, desired: desired}
	if !exists {
		if desired == "" {
			o.goal, o.desired = goalInactive, cluster.Inactive
		}
		o.file, o.noReplace = x.raw, true
		p.add(o, "+ %s  would be submitted, %s", x.name, o.desired)
		return
	}
	o.ifMatch = u.Generation
	if desired == "" {
		o.goal = goal(u.DesiredState)
	}
	var changes []string
	if u.Error != "" || unit.IDOf(x.raw) != u.Content {
		o.file = x.raw
		changes = append(changes, "its file be replaced")
	}
	if desired != "" && desired != u.DesiredState {
		changes = append(changes, fmt.Sprintf("it be %s instead of %s", desired, u.DesiredState))
	}
	if len(changes) > 0 {
		p.add(o, "~ %s  would change: %s", x.name, strings.Join(changes, ", "))
	}
}

// asked is what the engine is asked to plan for.
func (p *importPlan) asked() []api.PlanUnit {
	units := make([]api.PlanUnit, 0, len(p.orders))
	for _, o := range p.orders {
		if !o.unit.IsTemplate() {
			units = append(units, api.PlanUnit{Name: o.unit, File: string(o.file), DesiredState: o.desired, Destroy: o.destroy})
		}
	}
	return units
}

// others is a plan without the units that the directory is about.
func (p *importPlan) others(plan api.Plan) api.Plan {
	plan.Steps = slices.DeleteFunc(slices.Clone(plan.Steps), func(s api.PlanStep) bool {
		return slices.ContainsFunc(p.orders, func(o order) bool { return o.unit == s.Unit })
	})
	return plan
}

// stopped are the units that run, and would be replaced or be wanted less than launched.
func (p *importPlan) stopped() []unit.Name {
	var names []unit.Name
	for _, o := range p.orders {
		if u := p.known[o.unit]; runs(u) && (o.file != nil || o.destroy || o.desired != cluster.Launched) {
			names = append(names, o.unit)
		}
	}
	return names
}

// onChangedMachines are the units that run on machines which they may not fit any more.
func (p *importPlan) onChangedMachines() []unit.Name {
	changed := make(map[cluster.MachineID]bool)
	for _, o := range p.overlays {
		changed[o.settings.MachineID] = o.metadata
	}
	var names []unit.Name
	for name, u := range p.known {
		if runs(u) && slices.ContainsFunc(u.Copies, func(c api.Copy) bool { return changed[c.MachineID] }) {
			names = append(names, name)
		}
	}
	return names
}

// newOverlay compares what is to be laid over a machine with what is. Metadata that only the cluster has
// stays: the API can hide a key, but not forget that it was ever set.
func newOverlay(want, have api.MachineSettings) (o overlay, differs bool) {
	o.settings = api.MachineSettings{
		MachineID: want.MachineID, Cordoned: want.Cordoned,
		Metadata: make(map[string]string), Capacity: make(map[string]int64),
	}
	for key, value := range want.Metadata {
		if old, set := have.Metadata[key]; !set || old != value {
			o.settings.Metadata[key] = value
		}
	}
	for _, key := range want.Hidden {
		if !slices.Contains(have.Hidden, key) {
			o.settings.Hidden = append(o.settings.Hidden, key)
		}
	}
	for resource, amount := range want.Capacity {
		if old, set := have.Capacity[resource]; !set || old != amount {
			o.settings.Capacity[resource] = amount
		}
	}
	for _, resource := range slices.Sorted(maps.Keys(have.Capacity)) {
		if _, set := want.Capacity[resource]; !set {
			o.reset = append(o.reset, resource)
		}
	}
	o.metadata = len(o.settings.Metadata)+len(o.settings.Hidden) > 0
	o.cordon = want.Cordoned != have.Cordoned
	return o, o.metadata || o.cordon || len(o.settings.Capacity)+len(o.reset) > 0
}

// words say what an overlay changes.
func (o overlay) words() string {
	var words []string
	for _, key := range slices.Sorted(maps.Keys(o.settings.Metadata)) {
		words = append(words, key+"="+o.settings.Metadata[key])
	}
	for _, key := range o.settings.Hidden {
		words = append(words, key+" hidden")
	}
	for _, resource := range slices.Sorted(maps.Keys(o.settings.Capacity)) {
		words = append(words, "capacity "+resource+"="+unit.FormatAmount(resource, o.settings.Capacity[resource]))
	}
	for _, resource := range o.reset {
		words = append(words, "capacity "+resource+" its own")
	}
	switch {
	case o.cordon && o.settings.Cordoned:
		words = append(words, "cordoned")
	case o.cordon:
		words = append(words, "no longer cordoned")
	}
	return strings.Join(words, ", ")
}
