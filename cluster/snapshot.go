package cluster

import (
	"maps"
	"slices"

	"fleet/unit"
)

// Snapshot is the whole cluster at one revision of the store. The zero value
// is an empty cluster. It belongs to one goroutine, or its owner guards it.
type Snapshot struct {
	Revision int64
	Leader   MachineID // whose engine leads; empty if none does

	units    map[unit.Name]Unit
	files    map[unit.ContentID]File
	machines map[MachineID]Machine
	settings map[MachineID]Settings
	orders   map[MachineID]Orders
	reports  map[MachineID]Report
	pending  map[unit.Name]Pending
	corrupt  map[Kind]map[string]string

	copies map[unit.Name]map[MachineID]int // how many of orders and reports of a machine name the unit
}

// File is a unit file with the store's revision of its last write.
type File struct {
	*unit.File
	Revision int64
}

// Apply takes in an update and returns the names of the units whose Status may
// have changed by it, sorted. After a Reset, and after a change of a machine
// or its settings, these are all units concerned.
func (s *Snapshot) Apply(u Update) []unit.Name {
	touched := make(map[unit.Name]struct{})
	if u.Reset {
		for _, name := range s.Names() {
			touched[name] = struct{}{}
		}
		*s = Snapshot{}
	}
	s.init()
	for _, c := range u.Changes {
		s.touch(c, touched)
		c.apply(s)
	}
	s.Revision = u.Revision
	return slices.Sorted(maps.Keys(touched))
}

func (s *Snapshot) init() {
	if s.units != nil {
		return
	}
	s.units = make(map[unit.Name]Unit)
	s.files = make(map[unit.ContentID]File)
	s.machines = make(map[MachineID]Machine)
	s.settings = make(map[MachineID]Settings)
	s.orders = make(map[MachineID]Orders)
	s.reports = make(map[MachineID]Report)
	s.pending = make(map[unit.Name]Pending)
	s.corrupt = make(map[Kind]map[string]string)
	s.copies = make(map[unit.Name]map[MachineID]int)
}

// touch collects the units that c concerns, as s stands.
func (s *Snapshot) touch(c Change, into map[unit.Name]struct{}) {
	switch c := c.(type) {
	case UnitChanged:
		into[c.Name] = struct{}{}
	case PendingChanged:
		into[c.Name] = struct{}{}
	case MachineChanged:
		s.touchMachine(c.ID, into)
	case SettingsChanged:
		s.touchMachine(c.ID, into)
	case OrdersChanged:
		s.touchOrders(c, into)
	case ReportChanged:
		s.touchReport(c, into)
	case Corrupted:
		switch c.Kind {
		case KindUnit, KindPending:
			into[unit.Name(c.ID)] = struct{}{}
		case KindMachine, KindSettings, KindOrders, KindReport:
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

func (c LeaderChanged) apply(s *Snapshot) { s.Leader = c.Machine }

// apply drops the readable record too, so that what a reader sees does not
// depend on whether it was there before the record was damaged.
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

// Unit returns the record of a unit.
func (s *Snapshot) Unit(name unit.Name) (Unit, bool) {
	u, ok := s.units[name]
	return u, ok
}

// File returns the unit file with that id.
func (s *Snapshot) File(id unit.ContentID) (File, bool) {
	f, ok := s.files[id]
	return f, ok
}

// Machine returns a machine that is present.
func (s *Snapshot) Machine(id MachineID) (Machine, bool) {
	m, ok := s.machines[id]
	return m, ok
}

// Settings returns an operator's settings for a machine, zero if there are none.
func (s *Snapshot) Settings(id MachineID) Settings { return s.settings[id] }

// Metadata is what placement sees of a machine: its own metadata with the operator's laid over it.
func (s *Snapshot) Metadata(id MachineID) map[string]string {
	return s.settings[id].Overlay(s.machines[id].Metadata)
}

// Orders returns a machine's orders, whether or not the machine is present. The caller must not change the map.
func (s *Snapshot) Orders(id MachineID) (Orders, bool) {
	o, ok := s.orders[id]
	return o, ok
}

// Report returns a present machine's report. The caller must not change the map.
func (s *Snapshot) Report(id MachineID) (Report, bool) {
	r, ok := s.reports[id]
	return r, ok
}

// Pending returns why a unit has no machine.
func (s *Snapshot) Pending(name unit.Name) (Pending, bool) {
	p, ok := s.pending[name]
	return p, ok
}

// Corrupt returns the error of a record that cannot be read.
func (s *Snapshot) Corrupt(kind Kind, id string) (string, bool) {
	err, ok := s.corrupt[kind][id]
	return err, ok
}

// CorruptIDs lists the unreadable records of a kind, sorted.
func (s *Snapshot) CorruptIDs(kind Kind) []string {
	return slices.Sorted(maps.Keys(s.corrupt[kind]))
}

// Files lists the ids of all unit files, sorted.
func (s *Snapshot) Files() []unit.ContentID { return slices.Sorted(maps.Keys(s.files)) }

// Machines lists the machines that are present, sorted.
func (s *Snapshot) Machines() []MachineID { return slices.Sorted(maps.Keys(s.machines)) }

// Units lists the names of the units that users have submitted, unreadable ones included, sorted.
func (s *Snapshot) Units() []unit.Name {
	names := make([]unit.Name, 0, len(s.units))
	for name := range s.units {
		names = append(names, name)
	}
	for id := range s.corrupt[KindUnit] {
		if _, ok := s.units[unit.Name(id)]; !ok {
			names = append(names, unit.Name(id))
		}
	}
	slices.Sort(names)
	return names
}

// Names lists every unit that any record names: submitted, pending, ordered or reported, sorted.
func (s *Snapshot) Names() []unit.Name {
	names := s.Units()
	names = slices.AppendSeq(names, maps.Keys(s.copies))
	names = slices.AppendSeq(names, maps.Keys(s.pending))
	slices.Sort(names)
	return slices.Compact(names)
}

// Where lists the machines whose orders or report name the unit, present or not, sorted.
func (s *Snapshot) Where(name unit.Name) []MachineID {
	return slices.Sorted(maps.Keys(s.copies[name]))
}
