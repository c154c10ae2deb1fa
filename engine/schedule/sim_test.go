package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
	shadow   *State // is told the same, and has to decide the same
	now      time.Time
	revision int64
	leases   int64

	units    map[unit.Name]cluster.Unit
	files    map[unit.ContentID]cluster.File
	settings map[cluster.MachineID]cluster.Settings
	orders   map[cluster.MachineID]cluster.Orders
	pending  map[unit.Name]cluster.Pending
	corrupt  map[record]bool
	hosts    map[cluster.MachineID]*host
}

// host is a machine, present or not, and what runs on it.
type host struct {
	id      cluster.MachineID
	record  *cluster.Machine // nil while it is lost
	report  *cluster.Report  // as it was last written
	acked   int64
	copies  map[unit.Name]cluster.UnitReport
	orphans map[unit.Name]bool // copies that the host had when it was lost
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
		pending: map[unit.Name]cluster.Pending{}, corrupt: map[record]bool{}, hosts: map[cluster.MachineID]*host{},
	}
	s.elect()
	return s
}

// elect starts a new brain from the store.
func (s *sim) elect() {
	s.state, s.shadow = New(), New()
	s.apply(s.snapshot())
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
	for id, h := range s.hosts {
		if h.record != nil && !bad(cluster.KindMachine, string(id)) {
			u.Changes = append(u.Changes, cluster.MachineChanged{ID: id, Machine: h.record})
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
	for name, p := range step.Pending {
		if p == nil {
			delete(s.pending, name)
		} else {
			s.pending[name] = *p
		}
		echo.Changes = append(echo.Changes, cluster.PendingChanged{Name: name, Pending: p})
	}
	for id, revision := range step.Collect {
		if s.files[id].Revision != revision {
			s.t.Fatalf("collects %.8s at revision %d, which is at %d", id, revision, s.files[id].Revision)
		}
		delete(s.files, id)
		echo.Changes = append(echo.Changes, cluster.FileChanged{ID: id})
	}
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
		changes = append(changes, cluster.FileChanged{ID: f.ID(), File: f, Revision: s.revision + 1})
		u.Content, u.Global = f.ID(), rules.Global
	}
	u.Name, u.Desired, u.Revision = name, desired, s.revision+1
	u.Generation = max(u.Generation, s.revision) + 1
	s.units[name] = u
	delete(s.corrupt, record{cluster.KindUnit, string(name)})
	s.feed(append(changes, cluster.UnitChanged{Name: name, Unit: &u})...)
	return nil
}

func (s *sim) destroy(name unit.Name) {
	delete(s.units, name)
	delete(s.corrupt, record{cluster.KindUnit, string(name)})
	s.feed(cluster.UnitChanged{Name: name})
}

// join brings a machine under a new session, with whatever runs on it.
func (s *sim) join(id cluster.MachineID, metadata map[string]string, limit int) {
	h := s.hosts[id]
	if h == nil {
		h = &host{id: id, copies: map[unit.Name]cluster.UnitReport{}}
		s.hosts[id] = h
	}
	s.leases++
	delete(s.corrupt, record{cluster.KindMachine, string(id)})
	h.acked = 0
	h.record = &cluster.Machine{
		ID: id, Session: cluster.Session{Lease: s.leases, BootID: "boot"}, Metadata: metadata,
		Capacity: cluster.Capacity{MaxUnits: limit},
	}
	s.feed(cluster.MachineChanged{ID: id, Machine: h.record})
}

func (s *sim) change(id cluster.MachineID, edit func(*cluster.Machine)) {
	h := s.hosts[id]
	m := *h.record
	edit(&m)
	h.record = &m
	s.feed(cluster.MachineChanged{ID: id, Machine: &m})
}

func (s *sim) lose(ids ...cluster.MachineID) {
	var changes []cluster.Change
	for _, id := range ids {
		h := s.hosts[id]
		h.record, h.report = nil, nil
		delete(s.corrupt, record{cluster.KindMachine, string(id)})
		h.orphans = map[unit.Name]bool{}
		for name := range h.copies {
			h.orphans[name] = true
		}
		changes = append(changes, cluster.MachineChanged{ID: id}, cluster.ReportChanged{ID: id})
	}
	s.feed(changes...)
}

func (s *sim) reboot(id cluster.MachineID) {
	clear(s.hosts[id].copies)
	clear(s.hosts[id].orphans)
}

// write has the machine report what is there, if that is news.
func (s *sim) write(h *host) {
	r := cluster.Report{
		Machine: h.id, Session: h.record.Session, Orders: h.acked, Units: maps.Clone(h.copies), At: s.now, Revision: s.revision + 1,
	}
	if h.report != nil && h.report.Session == r.Session && h.report.Orders == r.Orders && maps.EqualFunc(h.report.Units, r.Units, cluster.UnitReport.Equal) {
		return
	}
	h.report = &r
	s.feed(cluster.ReportChanged{ID: h.id, Report: &r})
}

// takeOrders has the machine take in its orders without acting on them yet.
func (s *sim) takeOrders(h *host) (cluster.Orders, bool) {
	orders, ok := s.orders[h.id]
	if !ok || s.corrupt[record{cluster.KindOrders, string(h.id)}] || orders.Session != h.record.Session {
		return orders, false
	}
	h.acked = orders.Revision
	return orders, true
}

// obey has the machine carry out everything; done picks the units that it gets to, nil for all.
func (s *sim) obey(h *host, done func(unit.Name) bool) {
	orders, ok := s.takeOrders(h)
	if ok {
		for _, name := range slices.Sorted(maps.Keys(h.copies)) {
			if _, wanted := orders.Units[name]; !wanted && (done == nil || done(name)) {
				delete(h.copies, name)
				delete(h.orphans, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(orders.Units)) {
			o := orders.Units[name]
			if h.copies[name].Generation == o.Generation && h.copies[name].Content != "" {
				continue
			}
			c := cluster.UnitReport{Content: o.Content, Tried: o.Generation}
			c.Active = "activating"
			if done == nil || done(name) {
				c.Generation, c.Active = o.Generation, "inactive"
				if o.Desired == cluster.Launched {
					c.Active = "active"
				}
			}
			h.copies[name] = c
		}
	}
	s.write(h)
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

// show is the whole of what the engine has written.
func (s *sim) show() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.orders)) {
		o, h := s.orders[id], s.hosts[id]
		fmt.Fprintf(&b, "%s", id)
		switch {
		case h.record == nil:
			fmt.Fprint(&b, " (lost)")
		case o.Session != h.record.Session:
			fmt.Fprint(&b, " (returned)")
		}
		fmt.Fprint(&b, ":")
		for _, name := range slices.Sorted(maps.Keys(o.Units)) {
			fmt.Fprintf(&b, " %s", name)
			if o.Units[name].Desired == cluster.Loaded {
				fmt.Fprint(&b, "[loaded]")
			}
		}
		fmt.Fprintln(&b)
	}
	for _, name := range slices.Sorted(maps.Keys(s.pending)) {
		p := s.pending[name]
		fmt.Fprintf(&b, "pending %s: %s%s\n", name, waits(p.Waiting), p)
	}
	return b.String()
}

func waits(waiting bool) string {
	if waiting {
		return "(waiting) "
	}
	return ""
}
