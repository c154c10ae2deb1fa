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

	units    map[unit.Name]cluster.Status
	machines map[cluster.MachineID]pastMachine
	files    map[unit.ContentID]pastFile

	// whole is the cluster as it was when everything was told anew; nothing is replaced in it any more.
	whole *cluster.Snapshot

	sorted  map[string][]row // lists that are not in the order of names, by what they were asked for; guarded by pasts.mu
	readers int              // requests that read it now; guarded by pasts.mu
	until   time.Time        // a client has a token for it until then; guarded by pasts.mu
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
}

type pastFile struct {
	file    cluster.File
	there   bool
	damage  string
	damaged bool
}

// keep takes note of what u is about to replace in s.
func (p *past) keep(s *cluster.Snapshot, u cluster.Update) {
	if p.whole != nil {
		return
	}
	if u.Reset {
		whole := *s // an update of this kind begins with new maps, and leaves these alone
		p.whole = &whole
		return
	}
	for _, c := range u.Changes {
		switch c := c.(type) {
		case cluster.UnitChanged:
			p.keepUnit(s, c.Name)
		case cluster.PendingChanged:
			p.keepUnit(s, c.Name)
		case cluster.FileChanged:
			p.keepFile(s, c.ID)
		case cluster.MachineChanged:
			p.keepMachine(s, c.ID)
		case cluster.SettingsChanged:
			p.keepMachine(s, c.ID)
		case cluster.OrdersChanged:
			p.keepMachine(s, c.ID)
			if c.Orders != nil {
				keepUnits(p, s, c.Orders.Units)
			}
		case cluster.ReportChanged:
			p.keepMachine(s, c.ID)
			if c.Report != nil {
				keepUnits(p, s, c.Report.Units)
			}
		case cluster.Corrupted:
			p.keepDamaged(s, c)
		}
	}
}

func (p *past) keepDamaged(s *cluster.Snapshot, c cluster.Corrupted) {
	switch c.Kind {
	case cluster.KindUnit, cluster.KindPending:
		p.keepUnit(s, unit.Name(c.ID))
	case cluster.KindFile:
		p.keepFile(s, unit.ContentID(c.ID))
	case cluster.KindMachine, cluster.KindSettings, cluster.KindOrders, cluster.KindReport:
		p.keepMachine(s, cluster.MachineID(c.ID))
	}
}

func (p *past) keepUnit(s *cluster.Snapshot, name unit.Name) {
	if _, kept := p.units[name]; kept {
		return
	}
	if p.units == nil {
		p.units = make(map[unit.Name]cluster.Status)
	}
	p.units[name] = s.Status(name)
}

func keepUnits[V any](p *past, s *cluster.Snapshot, units map[unit.Name]V) {
	for name := range units {
		p.keepUnit(s, name)
	}
}

func (p *past) keepFile(s *cluster.Snapshot, id unit.ContentID) {
	if _, kept := p.files[id]; kept {
		return
	}
	if p.files == nil {
		p.files = make(map[unit.ContentID]pastFile)
	}
	var f pastFile
	f.file, f.there = s.File(id)
	f.damage, f.damaged = s.Corrupt(cluster.KindFile, string(id))
	p.files[id] = f
}

// keepMachine keeps the states of the machine's units too: they say where they are, and whether it is there.
func (p *past) keepMachine(s *cluster.Snapshot, id cluster.MachineID) {
	var m pastMachine
	m.orders, m.ordered = s.Orders(id)
	m.report, m.reported = s.Report(id)
	keepUnits(p, s, m.orders.Units)
	keepUnits(p, s, m.report.Units)
	if _, kept := p.machines[id]; kept {
		return
	}
	if p.machines == nil {
		p.machines = make(map[cluster.MachineID]pastMachine)
	}
	m.machine, m.there = s.Machine(id)
	m.damage, m.damaged = s.Corrupt(cluster.KindMachine, string(id))
	m.settings = s.Settings(id)
	p.machines[id] = m
}
