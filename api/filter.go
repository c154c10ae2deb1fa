package api

import (
	"maps"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// filter is what the items of a list have to be like. Values of one field are alternatives, and so are names and
// patterns; different fields all have to hold, and an empty one holds always. It belongs to one request, which reads one revision.
type filter struct {
	names    []unit.Name // sorted
	globs    []pattern
	desired  []cluster.DesiredState
	phases   []cluster.Phase
	global   *bool
	machines []cluster.MachineID
	load     []string
	active   []string
	sub      []string
	selector []unit.Requirement
	absent   bool // machines that are not present too; units do not go by it

	meets map[cluster.MachineID]bool // what selector said of machines that were asked about
}

func among[T comparable](values []T, v T) bool { return len(values) == 0 || slices.Contains(values, v) }

// named holds what is asked about a unit's name against it.
func (f *filter) named(name unit.Name) bool {
	if !f.ofNames() {
		return true
	}
	if _, found := slices.BinarySearch(f.names, name); found {
		return true
	}
	return slices.ContainsFunc(f.globs, func(p pattern) bool { return p.match(name) })
}

// ofNames tells whether anything is asked about names.
func (f *filter) ofNames() bool { return len(f.names)+len(f.globs) > 0 }

// unit holds what is asked about a unit, but not about its copies, against it. It asks what
// is cheap to find out first, and nothing that is not.
func (f *filter) unit(v view, name unit.Name) bool {
	if !f.named(name) {
		return false
	}
	if len(f.desired) > 0 || f.global != nil {
		u := v.record(name)
		if !among(f.desired, u.Desired) || f.global != nil && *f.global != u.Global {
			return false
		}
	}
	return len(f.phases) == 0 || slices.Contains(f.phases, v.phase(name))
}

// ofCopies tells whether anything is asked about copies.
func (f *filter) ofCopies() bool {
	return len(f.machines)+len(f.selector) > 0 || f.ofReports()
}

// copied holds everything that is asked about copies against one of them.
func (f *filter) copied(v view, c cluster.Copy) bool {
	if !among(f.machines, c.Machine) {
		return false
	}
	if f.ofReports() && (c.Report == nil || !f.saidOf(c.Report)) {
		return false
	}
	return f.fits(v, c.Machine)
}

// ofReports tells whether anything is asked about what machines report.
func (f *filter) ofReports() bool { return len(f.load)+len(f.active)+len(f.sub) > 0 }

func (f *filter) saidOf(r *cluster.UnitReport) bool {
	return among(f.load, r.Load) && among(f.active, r.Active) && among(f.sub, r.Sub)
}

// fits holds the selector against a machine. One that is not present has no metadata to be asked about.
func (f *filter) fits(v view, id cluster.MachineID) bool {
	if len(f.selector) == 0 {
		return true
	}
	if meets, known := f.meets[id]; known {
		return meets
	}
	_, meets := v.Machine(id)
	metadata := v.Metadata(id)
	for _, r := range f.selector {
		meets = meets && r.Match(metadata)
	}
	if f.meets == nil {
		f.meets = make(map[cluster.MachineID]bool)
	}
	f.meets[id] = meets
	return meets
}

// few is how many times fewer there have to be for it to be worth while to look for them: a page
// of what there is plenty of is full soon.
const few = 16

// narrow returns those of all names that can be selected by what is cheap to find out: the names that are asked
// for, what begins as the only pattern does, and what is on the machines that are asked for, or is in a rare state.
func (f *filter) narrow(v view, all []unit.Name) []unit.Name {
	switch {
	case len(f.globs) == 0 && len(f.names) > 0:
		return common(f.names, all)
	case len(f.globs) == 1 && len(f.names) == 0 && f.globs[0].prefix != "":
		return beginning(all, f.globs[0].prefix)
	case len(f.machines) > 0:
		return common(v.unitsOn(f.machines), all)
	case len(f.selector) > 0:
		fitting := slices.DeleteFunc(slices.Clone(v.past.present), func(id cluster.MachineID) bool { return !f.fits(v, id) })
		if few*len(fitting) < len(v.past.present) {
			return common(v.unitsOn(fitting), all)
		}
	case f.ofReports():
		if names, rare := f.reportedSo(v, len(all)/few); rare {
			return common(names, all)
		}
	}
	return all
}

// reportedSo lists the units that are reported to be what is asked of the states of copies, sorted, if
// they are no more than most.
func (f *filter) reportedSo(v view, most int) (names []unit.Name, rare bool) {
	for _, id := range v.past.present {
		report, _ := v.Report(id)
		for name, r := range report.Units {
			if f.saidOf(&r) {
				names = append(names, name)
			}
		}
		if len(names) > most {
			return nil, false
		}
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// unitsOn lists the units that machines were told to have, or report, sorted.
func (v view) unitsOn(ids []cluster.MachineID) []unit.Name {
	var names []unit.Name
	for _, id := range ids {
		orders, _ := v.Orders(id)
		report, _ := v.Report(id)
		names = slices.AppendSeq(names, maps.Keys(orders.Units))
		names = slices.AppendSeq(names, maps.Keys(report.Units))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// common returns those of a few keys that are among all. Both are sorted.
func common[K ~string](few, all []K) []K {
	return slices.DeleteFunc(slices.Clone(few), func(key K) bool {
		_, found := slices.BinarySearch(all, key)
		return !found
	})
}

// pattern is a glob with what every name that it fits begins and ends with: that is compared first.
type pattern struct {
	unit.Glob
	prefix, suffix string
}

func newPattern(g unit.Glob) pattern {
	const special = "*?[]"
	p := pattern{Glob: g, prefix: string(g)}
	if first := strings.IndexAny(string(g), special); first >= 0 {
		p.prefix, p.suffix = string(g[:first]), string(g[strings.LastIndexAny(string(g), special)+1:])
	}
	return p
}

func (p pattern) match(name unit.Name) bool {
	return strings.HasPrefix(string(name), p.prefix) && strings.HasSuffix(string(name), p.suffix) && p.Match(name)
}

// beginning returns the names that begin with prefix.
func beginning(all []unit.Name, prefix string) []unit.Name {
	from, _ := slices.BinarySearch(all, unit.Name(prefix))
	compare := func(name unit.Name, prefix string) int {
		if strings.HasPrefix(string(name), prefix) {
			return -1
		}
		return strings.Compare(string(name), prefix)
	}
	to, _ := slices.BinarySearchFunc(all[from:], prefix, compare)
	return all[from : from+to]
}
