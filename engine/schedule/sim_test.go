package schedule

import (
	"maps"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"fleet/cluster"
	"fleet/unit"
)

// sim is a store with machines that obey their orders: as much of a cluster
// as the brain can tell from the real one.
type sim struct {
	t        fataler
	state    *State
	shadow   *State        // is told the same, and has to decide the same
	strategy unit.Strategy // of the engine
	options  Options       // of the engine, but for that
	now      time.Time
	revision int64
	leases   int64

	units    map[unit.Name]cluster.Unit
	files    map[unit.ContentID]cluster.File
	settings map[cluster.MachineID]cluster.Settings
	orders   map[cluster.MachineID]cluster.Orders
	pending  map[unit.Name]cluster.Pending
	failures map[unit.Name]cluster.Failures
	absences map[cluster.MachineID]cluster.Absence
	alarms   map[cluster.AlarmName]cluster.Alarm
	acks     map[cluster.AlarmName]cluster.Ack
	overdue  map[cluster.MachineID]bool // those present that have not renewed their leases for a while
	patience time.Time                  // what the engine was told to wait for
	corrupt  map[record]bool
	hosts    map[cluster.MachineID]*host
	pairs    map[unit.Name][2]cluster.MachineID // between which machines a unit was handed over last

	started func(*host, unit.Name) // is told when a host has started a copy; nil: nobody is

	texts map[unit.ContentID]*unit.File // every file that ever was: a host keeps what the store has forgotten
	read  map[reading]unit.Rules
}

// fataler is a test, be it of testing or of rapid.
type fataler interface {
	Fatalf(format string, args ...any)
}

func newSim(t fataler) *sim {
	s := &sim{
		t: t, now: time.Unix(1e9, 0).UTC(),
		units: map[unit.Name]cluster.Unit{}, files: map[unit.ContentID]cluster.File{},
		settings: map[cluster.MachineID]cluster.Settings{}, orders: map[cluster.MachineID]cluster.Orders{},
		pending: map[unit.Name]cluster.Pending{}, failures: map[unit.Name]cluster.Failures{},
		absences: map[cluster.MachineID]cluster.Absence{}, alarms: map[cluster.AlarmName]cluster.Alarm{},
		acks: map[cluster.AlarmName]cluster.Ack{}, overdue: map[cluster.MachineID]bool{},
		corrupt: map[record]bool{}, hosts: map[cluster.MachineID]*host{}, texts: map[unit.ContentID]*unit.File{}, pairs: map[unit.Name][2]cluster.MachineID{}, read: map[reading]unit.Rules{},
	}
	s.elect()
	return s
}

// elect starts a new brain from the store.
func (s *sim) elect() {
	s.state, s.shadow = s.brain(), s.brain()
	s.apply(s.snapshot())
}

// brain is a new one, which knows nothing yet.
func (s *sim) brain() *State {
	o := s.options
	o.Strategy = s.strategy
	return New(o)
}

func (s *sim) apply(u cluster.Update) {
	s.state.Apply(u)
	slices.Reverse(u.Changes)
	s.shadow.Apply(u)
}

func (s *sim) snapshot() cluster.Update {
	u := cluster.Update{Revision: s.revision, Reset: true}
	bad := func(kind cluster.Kind, id string) bool {
		if !s.corrupt[record{kind, id}] {
			return false
		}
		u.Changes = append(u.Changes, cluster.Corrupted{Kind: kind, ID: id, Err: "damaged"})
		return true
	}
	for name, v := range s.units {
		if !bad(cluster.KindUnit, string(name)) {
			u.Changes = append(u.Changes, cluster.UnitChanged{Name: name, Unit: &v})
		}
	}
	for id, f := range s.files {
		if !bad(cluster.KindFile, string(id)) {
			u.Changes = append(u.Changes, cluster.FileChanged{ID: id, File: f.File, Revision: f.Revision})
		}
	}
	for id, v := range s.settings {
		u.Changes = append(u.Changes, cluster.SettingsChanged{ID: id, Settings: &v})
	}
	for id, v := range s.orders {
		if !bad(cluster.KindOrders, string(id)) {
			u.Changes = append(u.Changes, cluster.OrdersChanged{ID: id, Orders: &v})
		}
	}
	for name, v := range s.pending {
		u.Changes = append(u.Changes, cluster.PendingChanged{Name: name, Pending: &v})
	}
	for name, v := range s.failures {
		u.Changes = append(u.Changes, cluster.FailuresChanged{Name: name, Failures: &v})
	}
	for id, v := range s.absences {
		u.Changes = append(u.Changes, cluster.AbsenceChanged{ID: id, Absence: &v})
	}
	for name, v := range s.alarms {
		u.Changes = append(u.Changes, cluster.AlarmChanged{Name: name, Alarm: &v})
	}
	for name, v := range s.acks {
		u.Changes = append(u.Changes, cluster.AckChanged{Name: name, Ack: &v})
	}
	for id, h := range s.hosts {
		if h.record != nil && !bad(cluster.KindMachine, string(id)) {
			u.Changes = append(u.Changes, cluster.MachineChanged{ID: id, Machine: h.record})
		}
		if h.record != nil && !h.silent {
			u.Changes = append(u.Changes, cluster.AgentChanged{ID: id, Agent: h.agent()})
		}
		if h.report != nil {
			u.Changes = append(u.Changes, cluster.ReportChanged{ID: id, Report: h.report})
		}
	}
	return u
}

// feed writes something that is not the engine's.
func (s *sim) feed(changes ...cluster.Change) {
	s.revision++
	s.apply(cluster.Update{Revision: s.revision, Changes: changes})
}

// decide writes what the brain decides, and lets it see its own writes.
func (s *sim) decide() []Step {
	steps := s.think()
	for _, step := range steps {
		s.apply(s.commit(step))
	}
	return steps
}

// think decides, twice.
func (s *sim) think() []Step {
	for _, brain := range []*State{s.state, s.shadow} {
		if asked := brain.Doubts(s.now); asked != nil {
			brain.Suspect(slices.DeleteFunc(asked, func(id cluster.MachineID) bool { return !s.overdue[id] }))
		}
	}
	steps, again := s.state.Decide(s.now), s.shadow.Decide(s.now)
	if diff := cmp.Diff(steps, again, cmpopts.EquateEmpty()); diff != "" {
		s.t.Fatalf("two brains that were told the same decide differently:\n%s", diff)
	}
	return steps
}

// commit writes a step, and returns what the watch will tell of it.
func (s *sim) commit(step Step) cluster.Update {
	if n := step.Size(); n == 0 || n > cluster.MaxDecision {
		s.t.Fatalf("a decision of %d records", n)
	}
	s.revision++
	s.state.Committed(step, s.revision)
	s.shadow.Committed(step, s.revision)
	echo := cluster.Update{Revision: s.revision}
	for id, o := range step.Orders {
		o.Revision = s.revision
		o.Units = maps.Clone(o.Units)
		s.orders[id] = o
		delete(s.corrupt, record{cluster.KindOrders, string(id)})
		echo.Changes = append(echo.Changes, cluster.OrdersChanged{ID: id, Orders: &o})
	}
	s.pairUp()
	for name, p := range step.Pending {
		if p == nil {
			delete(s.pending, name)
		} else {
			s.pending[name] = *p
		}
		echo.Changes = append(echo.Changes, cluster.PendingChanged{Name: name, Pending: p})
	}
	for name, f := range step.Failures {
		if f == nil {
			delete(s.failures, name)
		} else {
			s.failures[name] = *f
		}
		echo.Changes = append(echo.Changes, cluster.FailuresChanged{Name: name, Failures: f})
	}
	for id, revision := range step.Collect {
		if s.files[id].Revision != revision {
			s.t.Fatalf("collects %.8s at revision %d, which is at %d", id, revision, s.files[id].Revision)
		}
		delete(s.files, id)
		echo.Changes = append(echo.Changes, cluster.FileChanged{ID: id})
	}
	echo.Changes = append(echo.Changes, s.commitLosses(step)...)
	return echo
}

// submit writes a unit as the API does; an empty text keeps its file.
func (s *sim) submit(name unit.Name, desired cluster.DesiredState, text string) error {
	u := s.units[name]
	var changes []cluster.Change
	if text != "" {
		f, err := unit.Parse([]byte(text))
		if err != nil {
			return err
		}
		rules, err := f.Rules(name)
		if err != nil {
			return err
		}
		s.files[f.ID()] = cluster.File{File: f, Revision: s.revision + 1}
		s.texts[f.ID()] = f
		changes = append(changes, cluster.FileChanged{ID: f.ID(), File: f, Revision: s.revision + 1})
		u.Content, u.Global = f.ID(), rules.Global
	}
	u.Name, u.Desired = name, desired
	s.ask(u, changes...)
	return nil
}

// move asks for a unit to leave its machine; an empty id leaves it to the engine where to.
func (s *sim) move(name unit.Name, to cluster.MachineID) {
	u := s.units[name]
	u.MoveTo, u.Move = to, max(u.Generation, s.revision)+1
	s.ask(u)
}

// ask writes a request as the registry does, which gives it its generation.
func (s *sim) ask(u cluster.Unit, with ...cluster.Change) {
	u.Generation, u.Revision = max(u.Generation, s.revision)+1, s.revision+1
	s.units[u.Name] = u
	delete(s.corrupt, record{cluster.KindUnit, string(u.Name)})
	s.feed(append(with, cluster.UnitChanged{Name: u.Name, Unit: &u})...)
}

func (s *sim) destroy(name unit.Name) {
	delete(s.units, name)
	delete(s.corrupt, record{cluster.KindUnit, string(name)})
	s.feed(cluster.UnitChanged{Name: name})
}

// configure changes what an operator has set for a machine.
func (s *sim) configure(id cluster.MachineID, edit func(*cluster.Settings)) {
	settings := s.settings[id]
	edit(&settings)
	s.settings[id] = settings
	s.feed(cluster.SettingsChanged{ID: id, Settings: &settings})
}

func (s *sim) present() []*host {
	var all []*host
	for _, id := range slices.Sorted(maps.Keys(s.hosts)) {
		if h := s.hosts[id]; h.record != nil {
			all = append(all, h)
		}
	}
	return all
}

// live are the orders that a present machine obeys.
func (s *sim) live(h *host) map[unit.Name]cluster.Order {
	o := s.orders[h.id]
	if h.record == nil || o.Session != h.record.Session {
		return nil
	}
	return o.Units
}
