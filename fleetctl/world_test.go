package main

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/unit"
)

// world is a whole cluster in memory: a store for the real API server, and in
// the place of engine and machines a few lines that do with a unit what its
// file says:
//
//	MachineMetadata=…   no machine fits
//	MachineOf=OTHER     no machine fits until OTHER is on one
//	Global=true         a copy on each of the two machines
//	ExecStart=/fails    the start fails
//	ExecStart=/homesick the start fails on every machine but the first
//	MachineID=…         it is moved nowhere
//	ExecStart=/skipped  a condition is not met
//	ExecStart=/dies     the start succeeds, and the process ends shortly after
//	ExecStart=/flaps    likewise, and systemd is to start it again
//	ExecStart=/slow     starting or stopping ends only when the script says "cluster finish UNIT"
type world struct {
	mu       sync.Mutex
	revision int64
	units    map[unit.Name]cluster.Unit
	settings map[cluster.MachineID]cluster.Settings
	files    map[unit.ContentID]*unit.File
	orders   map[cluster.MachineID]cluster.Orders
	reports  map[cluster.MachineID]cluster.Report
	lost     bool // the first machine
	log      []cluster.Update
	advanced chan struct{}
}

const (
	firstMachine  cluster.MachineID = "1111aaaa000000000000000000000001"
	secondMachine cluster.MachineID = "2222bbbb000000000000000000000002"
)

func newWorld() *world {
	w := &world{
		units:    make(map[unit.Name]cluster.Unit),
		settings: make(map[cluster.MachineID]cluster.Settings),
		files:    make(map[unit.ContentID]*unit.File),
		orders:   make(map[cluster.MachineID]cluster.Orders),
		reports:  make(map[cluster.MachineID]cluster.Report),
		advanced: make(chan struct{}),
	}
	for i, id := range []cluster.MachineID{firstMachine, secondMachine} {
		session := cluster.Session{Lease: int64(i + 1), BootID: "boot"}
		w.orders[id] = cluster.Orders{Machine: id, Session: session}
		report := cluster.Report{Machine: id, Session: session}
		w.reports[id] = report
		w.commit(cluster.ReportChanged{ID: id, Report: &report}, cluster.MachineChanged{ID: id, Machine: &cluster.Machine{
			ID: id, Session: session, Address: fmt.Sprintf("10.0.0.%d", i+1),
			Metadata: map[string]string{"zone": "z" + fmt.Sprint(i+1), "disk": "hdd"}, Version: "2.0.0",
			Capacity: cluster.Capacity{Resources: unit.Resources{Memory: int64(i+1) << 30, CPU: 4000}},
		}})
	}
	w.log[0].Reset = true
	return w
}

// commit makes one update of changes. The caller holds the lock, or is alone.
func (w *world) commit(changes ...cluster.Change) {
	w.revision++
	w.log = append(w.log, cluster.Update{Revision: w.revision, Changes: changes})
	close(w.advanced)
	w.advanced = make(chan struct{})
}

// serve runs the API over the world, and returns when it answers.
func (w *world) serve(version string) (h http.Handler, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan struct{})
	server := api.New(followed{w, sync.OnceFunc(func() { close(ready) })}, api.Options{Version: version, Advisor: schedule.Advisor{}})
	go func() {
		defer close(done)
		_ = server.Run(ctx) // ends with ctx
	}()
	<-ready
	return server.Handler(), func() {
		cancel()
		<-done
	}
}

// followed is a world as an api.Store that tells when its reader has seen what there was at first.
type followed struct {
	*world
	caughtUp func()
}

// Follow implements api.Store.
func (f followed) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	return f.follow(ctx, fn, f.caughtUp)
}

func (w *world) follow(ctx context.Context, fn func(cluster.Update) error, caughtUp func()) error {
	for next := 0; ; {
		w.mu.Lock()
		updates, advanced := w.log[next:], w.advanced
		w.mu.Unlock()
		for _, u := range updates {
			if err := fn(u); err != nil {
				return err
			}
		}
		next += len(updates)
		caughtUp()
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// UpdateUnit implements api.Store.
func (w *world) UpdateUnit(_ context.Context, name unit.Name, change func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var current *cluster.Unit
	old, exists := w.units[name]
	if exists {
		current = &old
	}
	edit, err := change(current)
	if err != nil {
		return cluster.Unit{}, err
	}
	if edit == nil {
		delete(w.units, name)
		w.commit(cluster.UnitChanged{Name: name})
		w.clear(name)
		old.Revision = w.revision
		return old, nil
	}
	u := edit.Unit
	u.Generation = max(old.Generation, w.revision) + 1
	u.Restart, u.Move = old.Restart, old.Move
	if edit.Restart {
		u.Restart = u.Generation
	}
	if edit.Move {
		u.Move = u.Generation
	}
	u.Revision = w.revision + 1
	var changes []cluster.Change
	if edit.File != nil {
		file, err := unit.Parse(edit.File)
		if err != nil {
			return cluster.Unit{}, err
		}
		w.files[u.Content] = file
		changes = append(changes, cluster.FileChanged{ID: u.Content, File: file, Revision: u.Revision})
	}
	w.units[name] = u
	w.commit(append(changes, cluster.UnitChanged{Name: name, Unit: &u})...)
	if edit.Move {
		w.move(u)
		return u, nil
	}
	w.act(u)
	return u, nil
}

// UpdateSettings implements api.Store.
func (w *world) UpdateSettings(_ context.Context, id cluster.MachineID, change func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, err := change(w.settings[id])
	if err != nil {
		return 0, err
	}
	w.settings[id] = s
	w.commit(cluster.SettingsChanged{ID: id, Settings: &s})
	return w.revision, nil
}

// move is the engine asked to move a unit.
func (w *world) move(u cluster.Unit) {
	from := firstMachine
	if _, there := w.orders[secondMachine].Units[u.Name]; there {
		from = secondMachine
	}
	if len(w.files[u.Content].Values(unit.FleetSection, "MachineID")) > 0 {
		w.orderBecause(from, u, "MachineID= allows no other machine")
		w.finishOn(from, u)
		return
	}
	w.clear(u.Name)
	to := u.MoveTo
	if to == "" {
		to = firstMachine
		if from == firstMachine {
			to = secondMachine
		}
	}
	w.orderBecause(to, u, "it was moved here")
	if w.says(u.Name, "ExecStart=/slow") {
		w.report(to, u.Name, unit.State{Load: "loaded", Active: "activating", Sub: "start"}, u.Generation-1)
		return
	}
	w.finishOn(to, u)
	for name, other := range w.units { // those that are tied to it come along
		if slices.Contains(w.files[other.Content].Values(unit.FleetSection, "MachineOf"), string(u.Name)) {
			w.clear(name)
			w.orderBecause(to, other, "it goes with "+string(u.Name))
			w.finishOn(to, other)
		}
	}
}

// act is the engine and the machines.
func (w *world) act(u cluster.Unit) {
	file := w.files[u.Content]
	if u.Desired == cluster.Inactive {
		w.clear(u.Name)
		return
	}
	if metadata := file.Values(unit.FleetSection, "MachineMetadata"); len(metadata) > 0 {
		w.commit(cluster.PendingChanged{Name: u.Name, Pending: &cluster.Pending{
			Generation: u.Generation, Machines: 2,
			Excluded: []cluster.Exclusion{{Rule: "MachineMetadata", Detail: "lack " + metadata[0], Machines: 2}},
			Remedy:   &cluster.Remedy{Rule: "MachineMetadata", Machine: firstMachine, Text: "give 1111aaaa the metadata " + metadata[0]},
		}})
		return
	}
	if other := file.Values(unit.FleetSection, "MachineOf"); len(other) > 0 {
		if _, placed := w.orders[firstMachine].Units[unit.Name(other[0])]; !placed {
			w.commit(cluster.PendingChanged{Name: u.Name, Pending: &cluster.Pending{
				Generation: u.Generation, Peers: []unit.Name{unit.Name(other[0])}, Message: "MachineOf names " + other[0] + ", which is not placed",
			}})
			return
		}
	}
	machines := []cluster.MachineID{firstMachine}
	if u.Global {
		machines = append(machines, secondMachine)
	}
	for _, id := range machines {
		w.order(id, u)
		if w.says(u.Name, "ExecStart=/slow") {
			w.report(id, u.Name, unit.State{Load: "loaded", Active: "activating", Sub: "start"}, u.Generation-1)
			continue
		}
		w.finishOn(id, u)
	}
	for name, other := range w.units {
		file := w.files[other.Content]
		if file == nil || other.Desired == cluster.Inactive || !slices.Contains(file.Values(unit.FleetSection, "MachineOf"), string(u.Name)) {
			continue
		}
		if _, placed := w.orders[firstMachine].Units[name]; !placed {
			w.commit(cluster.PendingChanged{Name: name})
			w.act(other)
		}
	}
}

// finishOn ends what a machine does with a unit.
func (w *world) finishOn(id cluster.MachineID, u cluster.Unit) {
	running := unit.State{Load: "loaded", Active: "active", Sub: "running", MainPID: 4711, InvocationID: strings.Repeat("ab", 16), Since: time.Now()}
	dead := unit.State{Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", ExitStatus: 3, Since: time.Now()}
	flapping := unit.State{Load: "loaded", Active: "activating", Sub: "auto-restart", Result: "exit-code", Since: time.Now()}
	switch {
	case u.Desired == cluster.Loaded:
		w.report(id, u.Name, unit.State{Load: "loaded", Active: "inactive", Sub: "dead"}, u.Generation)
	case w.says(u.Name, "ExecStart=/skipped"):
		w.report(id, u.Name, unit.State{Load: "loaded", Active: "inactive", Sub: "dead", Skipped: true}, u.Generation)
	case w.says(u.Name, "ExecStart=/fails"), w.says(u.Name, "ExecStart=/homesick") && id != firstMachine:
		w.report(id, u.Name, dead, u.Generation)
	case w.says(u.Name, "ExecStart=/dies"):
		w.report(id, u.Name, running, u.Generation)
		w.later(func() { w.report(id, u.Name, dead, u.Generation) })
	case w.says(u.Name, "ExecStart=/flaps"):
		w.report(id, u.Name, running, u.Generation)
		w.later(func() { w.report(id, u.Name, flapping, u.Generation) })
	default:
		w.report(id, u.Name, running, u.Generation)
	}
}

// later is the life of a process that dies well within the grace that fleetctl gives it.
func (w *world) later(fn func()) {
	time.AfterFunc(grace/5, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		fn()
	})
}

// clear takes a unit off all machines. A slow one stays until it is finished.
func (w *world) clear(name unit.Name) {
	w.commit(cluster.PendingChanged{Name: name})
	for _, id := range []cluster.MachineID{firstMachine, secondMachine} {
		if _, has := w.orders[id].Units[name]; !has || id == firstMachine && w.lost {
			continue
		}
		slow := w.says(name, "ExecStart=/slow")
		o := w.orders[id]
		o.Units = maps.Clone(o.Units)
		delete(o.Units, name)
		o.Revision = w.revision + 1
		w.orders[id] = o
		w.commit(cluster.OrdersChanged{ID: id, Orders: &o})
		if slow {
			w.report(id, name, unit.State{Load: "loaded", Active: "deactivating", Sub: "stop-sigterm"}, 0)
			continue
		}
		w.gone(id, name)
	}
}

// lose takes the first machine away.
func (w *world) lose() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lost = true
	w.commit(cluster.MachineChanged{ID: firstMachine}, cluster.ReportChanged{ID: firstMachine})
}

// finish ends what was slow.
func (w *world) finish(name unit.Name) {
	w.mu.Lock()
	defer w.mu.Unlock()
	u, wanted := w.units[name]
	for _, id := range []cluster.MachineID{firstMachine, secondMachine} {
		_, ordered := w.orders[id].Units[name]
		_, there := w.reports[id].Units[name]
		switch {
		case wanted && ordered:
			w.finishOn(id, u)
		case there:
			w.gone(id, name)
		}
	}
}

func (w *world) order(id cluster.MachineID, u cluster.Unit) { w.orderBecause(id, u, "fewest units") }

func (w *world) orderBecause(id cluster.MachineID, u cluster.Unit, reason string) {
	o := w.orders[id]
	o.Units = maps.Clone(o.Units)
	if o.Units == nil {
		o.Units = make(map[unit.Name]cluster.Order)
	}
	o.Units[u.Name] = cluster.Order{
		Content: u.Content, Desired: u.Desired, Generation: u.Generation, Restart: u.Restart, Move: u.Move, Global: u.Global,
		Reason: reason, Since: time.Now(),
	}
	o.Revision = w.revision + 1
	w.orders[id] = o
	w.commit(cluster.OrdersChanged{ID: id, Orders: &o})
}

func (w *world) report(id cluster.MachineID, name unit.Name, state unit.State, acted int64) {
	r := w.reports[id]
	r.Units = maps.Clone(r.Units)
	if r.Units == nil {
		r.Units = make(map[unit.Name]cluster.UnitReport)
	}
	said := cluster.UnitReport{State: state, Content: w.content(name, id), Generation: acted, Tried: max(acted, w.units[name].Generation)}
	if state.Active == "failed" {
		said.Log = []string{"boom: no such table", "exiting"}
	}
	r.Units[name] = said
	w.publish(id, r)
}

func (w *world) gone(id cluster.MachineID, name unit.Name) {
	r := w.reports[id]
	r.Units = maps.Clone(r.Units)
	delete(r.Units, name)
	w.publish(id, r)
}

func (w *world) publish(id cluster.MachineID, r cluster.Report) {
	r.At, r.Orders, r.Revision = time.Now(), w.orders[id].Revision, w.revision+1
	w.reports[id] = r
	w.commit(cluster.ReportChanged{ID: id, Report: &r})
}

// content is the file that a machine has, or is about to have.
func (w *world) content(name unit.Name, id cluster.MachineID) unit.ContentID {
	if u, ok := w.units[name]; ok {
		return u.Content
	}
	return w.reports[id].Units[name].Content
}

// says tells whether the unit's file has a line. For a destroyed unit it is the file on a machine that counts.
func (w *world) says(name unit.Name, line string) bool {
	file := w.files[w.content(name, firstMachine)]
	return file != nil && slices.Contains(strings.Split(string(file.Bytes()), "\n"), line)
}

// await blocks until somebody wants the unit in that state; "absent" is a state too.
func (w *world) await(ctx context.Context, name unit.Name, state string) error {
	for {
		w.mu.Lock()
		u, exists := w.units[name]
		advanced := w.advanced
		w.mu.Unlock()
		if string(u.Desired) == state || !exists && state == "absent" {
			return nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return fmt.Errorf("wait for %s to be %s: %w", name, state, ctx.Err())
		}
	}
}
