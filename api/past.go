package api

import (
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// past is the cluster as it was at one revision, so that all pages of a list can be of that revision. It is
// made for nothing: it only keeps what has been replaced since, and everything else is as it is now. Records
// are replaced and never changed, so that what is kept stays as it was.
//
// It is written with the cache locked, and read with the cache locked for reading.
type past struct {
	version  uint64 // of the cache
	revision int64
	leader   cluster.MachineID

	submitted []unit.Name // the names that a list of units goes by
	reported  []unit.Name // and a list of states
	present   []cluster.MachineID
	away      []cluster.MachineID

	units    map[unit.Name]*cluster.Status
	machines map[cluster.MachineID]pastMachine
	files    map[unit.ContentID]pastFile

	// whole is the cluster as it was when everything was told anew; nothing is replaced in it any more.
	whole *cluster.Snapshot

	sorted  map[string][]row // lists that are not in the order of names, by what they were asked for; guarded by pasts.mu
	readers int              // requests that read it now; guarded by pasts.mu
	open    int              // lists that have begun, and not been read to their end; guarded by pasts.mu
	until   time.Time        // when nobody is waited for any more who may ask for a page; guarded by pasts.mu
}

// pastMachine is everything that is known of a machine, but for what is in the states of units.
type pastMachine struct {
	machine  cluster.Machine
	there    bool
	damage   string
	damaged  bool
	settings cluster.Settings
	orders   cluster.Orders
	ordered  bool
	report   cluster.Report
	reported bool
	absence  cluster.Absence
	absent   bool
	state    cluster.MachineState
	since    time.Time // when it came to be in that state
}

type pastFile struct {
	file    cluster.File
	there   bool
	damage  string
	damaged bool
}

func (p *past) keepMachine(id cluster.MachineID, m pastMachine) {
	if p.whole == nil {
		keepFirst(&p.machines, id, m)
	}
}

func (p *past) keepFile(id unit.ContentID, f pastFile) {
	if p.whole == nil {
		keepFirst(&p.files, id, f)
	}
}

// keepFirst stores v unless something is kept under that key: what came later is of a later revision.
func keepFirst[K comparable, V any](kept *map[K]V, key K, v V) {
	if _, already := (*kept)[key]; already {
		return
	}
	if *kept == nil {
		*kept = make(map[K]V)
	}
	(*kept)[key] = v
}

func machineOf(s *cluster.Snapshot, id cluster.MachineID) pastMachine {
	var m pastMachine
	m.machine, m.there = s.Machine(id)
	m.damage, m.damaged = s.Corrupt(cluster.KindMachine, string(id))
	m.settings = s.Settings(id)
	m.orders, m.ordered = s.Orders(id)
	m.report, m.reported = s.Report(id)
	m.absence, m.absent = s.Absence(id)
	m.state, m.since = s.State(id)
	return m
}

func fileOf(s *cluster.Snapshot, id unit.ContentID) pastFile {
	var f pastFile
	f.file, f.there = s.File(id)
	f.damage, f.damaged = s.Corrupt(cluster.KindFile, string(id))
	return f
}
