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
	Epoch    Epoch     // that the store is in

	units    map[unit.Name]Unit
	files    map[unit.ContentID]File
	machines map[MachineID]Machine
	settings map[MachineID]Settings
	orders   map[MachineID]Orders
	reports  map[MachineID]Report
	pending  map[unit.Name]Pending
	failures map[unit.Name]Failures
	agents   map[MachineID]Agent
	absences map[MachineID]Absence
	alarms   map[AlarmName]Alarm
	acks     map[AlarmName]Ack
	corrupt  map[Kind]map[string]string

	bytes map[Kind]int64 // what weigh says of all records of a kind

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
		kind, id := subject(c)
		before := s.weigh(kind, id)
		c.apply(s)
		s.grow(kind, s.weigh(kind, id)-before)
	}
	s.Revision = u.Revision
	return slices.Sorted(maps.Keys(touched))
}

// Stamp stands for s's revision: a number that is greater than all generations and fencing numbers
// of decisions that were made on earlier snapshots, also of a store that was restored since.
func (s *Snapshot) Stamp() int64 { return s.Epoch.Stamp(s.Revision) }

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
	s.failures = make(map[unit.Name]Failures)
	s.agents = make(map[MachineID]Agent)
	s.absences = make(map[MachineID]Absence)
	s.alarms = make(map[AlarmName]Alarm)
	s.acks = make(map[AlarmName]Ack)
	s.corrupt = make(map[Kind]map[string]string)
	s.bytes = make(map[Kind]int64)
	s.copies = make(map[unit.Name]map[MachineID]int)
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

// Laid lists the machines, present or not, that an operator's settings are laid over, sorted.
func (s *Snapshot) Laid() []MachineID { return slices.Sorted(maps.Keys(s.settings)) }

// Metadata is what placement sees of a machine: its own metadata with the operator's laid over it.
func (s *Snapshot) Metadata(id MachineID) map[string]string {
	return s.settings[id].Overlay(s.machines[id].Metadata)
}

// Limit is what placement sees of a machine's capacity: its own with the operator's laid over it.
func (s *Snapshot) Limit(id MachineID) Capacity {
	return s.settings[id].Limit(s.machines[id].Capacity)
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

// Failures returns where a unit has failed since it was last asked for.
func (s *Snapshot) Failures(name unit.Name) (Failures, bool) {
	f, ok := s.failures[name]
	return f, ok
}

// Absence returns since when a machine is silent or gone.
func (s *Snapshot) Absence(id MachineID) (Absence, bool) {
	a, ok := s.absences[id]
	return a, ok
}

// Absent lists the machines of which there is an Absence, silent ones included, sorted.
func (s *Snapshot) Absent() []MachineID { return slices.Sorted(maps.Keys(s.absences)) }

// Away lists the machines that are not present and are still known: of which there are orders or an Absence, sorted.
func (s *Snapshot) Away() []MachineID {
	ids := make(map[MachineID]struct{}, len(s.absences))
	for id := range s.absences {
		ids[id] = struct{}{}
	}
	for id := range s.orders {
		ids[id] = struct{}{}
	}
	maps.DeleteFunc(ids, func(id MachineID, _ struct{}) bool {
		_, there := s.machines[id]
		_, damaged := s.Corrupt(KindMachine, string(id))
		return there || damaged
	})
	return slices.Sorted(maps.Keys(ids))
}

// Alarms lists what the engine needs people for, by name.
func (s *Snapshot) Alarms() []Alarm {
	var all []Alarm
	for _, name := range slices.Sorted(maps.Keys(s.alarms)) {
		all = append(all, s.alarms[name])
	}
	return all
}

// Acknowledged tells whether an operator has had the engine go on in spite of the alarm.
func (s *Snapshot) Acknowledged(a Alarm) bool {
	ack, ok := s.acks[a.Name]
	return ok && ack.Since.Equal(a.Since)
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

// Names lists every unit that any record names: submitted, pending, failed, ordered or reported, sorted.
func (s *Snapshot) Names() []unit.Name {
	names := s.Units()
	names = slices.AppendSeq(names, maps.Keys(s.copies))
	names = slices.AppendSeq(names, maps.Keys(s.pending))
	names = slices.AppendSeq(names, maps.Keys(s.failures))
	slices.Sort(names)
	return slices.Compact(names)
}

// Where lists the machines whose orders or report name the unit, present or not, sorted.
func (s *Snapshot) Where(name unit.Name) []MachineID {
	copies := s.copies[name]
	if len(copies) == 0 {
		return nil
	}
	ids := make([]MachineID, 0, len(copies))
	for id := range copies {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
