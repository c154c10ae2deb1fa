package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"time"

	"pgregory.net/rapid"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// world is a cluster of a few units and machines to which anything may happen, with servers that are told
// of it and asked about it by calls: there are no goroutines and no network.
type world struct {
	server   *api.Server
	servers  []*api.Server
	revision int64
	units    map[unit.Name]cluster.Unit
	alive    map[cluster.MachineID]bool
	orders   map[cluster.MachineID]cluster.Orders
}

func newWorld(t fataler, pageSize int) *world {
	w := &world{
		units:  make(map[unit.Name]cluster.Unit),
		alive:  make(map[cluster.MachineID]bool),
		orders: make(map[cluster.MachineID]cluster.Orders),
	}
	w.server = w.serve(pageSize)
	w.tell(true)
	return w
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// serve adds a server, before anything has happened.
func (w *world) serve(pageSize int) *api.Server {
	s := api.New(nil, api.Options{PageSize: pageSize})
	w.servers = append(w.servers, s)
	if w.revision > 0 {
		api.Feed(s, cluster.Update{Revision: w.revision, Reset: true})
	}
	return s
}

func (w *world) tell(reset bool, changes ...cluster.Change) {
	w.revision++
	for _, s := range w.servers {
		api.Feed(s, cluster.Update{Revision: w.revision, Reset: reset, Changes: changes})
	}
}

func (w *world) ask(s *api.Server, query string) (int, string) {
	r := httptest.NewRequest(http.MethodGet, "/fleet/v1/"+query, http.NoBody)
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, r)
	return answer.Code, answer.Body.String()
}

func (w *world) get(t fataler, s *api.Server, query string, into any) {
	t.Helper()
	code, body := w.ask(s, query)
	if code != http.StatusOK {
		t.Fatalf("GET %s: %d %s", query, code, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("GET %s: %v in %s", query, err, body)
	}
}

func mustParse(text string) *unit.File {
	file, err := unit.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	return file
}

func (w *world) submit(name unit.Name, text string, desired cluster.DesiredState) {
	w.tell(false, w.submitted(name, text, desired)...)
}

func (w *world) submitted(name unit.Name, text string, desired cluster.DesiredState) []cluster.Change {
	file := mustParse(text)
	rules, err := file.Rules(name)
	if err != nil {
		panic(err)
	}
	u := cluster.Unit{
		Name: name, Content: file.ID(), Desired: desired, Global: rules.Global,
		Generation: w.revision + 1, Revision: w.revision + 1,
	}
	w.units[name] = u
	return []cluster.Change{
		cluster.UnitChanged{Name: name, Unit: &u},
		cluster.FileChanged{ID: file.ID(), File: file, Revision: w.revision + 1},
	}
}

func (w *world) destroy(name unit.Name) {
	delete(w.units, name)
	w.tell(false, cluster.UnitChanged{Name: name})
}

// populate gives every machine something to run, and lets it report that.
func (w *world) populate(t *rapid.T) {
	for i, name := range names {
		w.submit(name, texts[i%len(texts)], cluster.Launched)
	}
	for i, id := range machines {
		w.alive[id] = true
		w.tell(false, cluster.MachineChanged{ID: id, Machine: w.machine(t, id)})
		for j := range names {
			if j%len(machines) == i || j == 2 {
				w.tell(false, cluster.OrdersChanged{ID: id, Orders: w.order(t, id, names[j])})
			}
		}
		w.tell(false, cluster.ReportChanged{ID: id, Report: w.report(t, id)})
	}
}

// change lets one thing happen.
func (w *world) change(t *rapid.T) {
	name := rapid.SampledFrom(names).Draw(t, "unit")
	id := rapid.SampledFrom(machines).Draw(t, "machine")
	what := rapid.SampledFrom([]string{
		"submit", "submit", "submit", "destroy", "join", "join", "leave", "agent", "absence", "order", "order", "order", "report", "report", "report",
		"pending", "settings", "leader", "file gone", "damage", "anew",
	}).Draw(t, "what")
	switch what {
	case "submit":
		w.submit(name, rapid.SampledFrom(texts).Draw(t, "file"), rapid.SampledFrom([]cluster.DesiredState{
			cluster.Inactive, cluster.Loaded, cluster.Launched,
		}).Draw(t, "desired"))
	case "destroy":
		w.destroy(name)
	case "join":
		w.alive[id] = true
		w.tell(false, cluster.MachineChanged{ID: id, Machine: w.machine(t, id)})
	case "leave":
		delete(w.alive, id)
		w.tell(false, cluster.MachineChanged{ID: id}, cluster.ReportChanged{ID: id})
	case "order":
		w.tell(false, cluster.OrdersChanged{ID: id, Orders: w.order(t, id, name)})
	case "report":
		w.tell(false, cluster.ReportChanged{ID: id, Report: w.report(t, id)})
	case "pending":
		w.tell(false, cluster.PendingChanged{Name: name, Pending: w.pending(t, name)})
	case "settings":
		disk := rapid.SampledFrom([]string{"ssd", "hdd"}).Draw(t, "disk")
		w.tell(false, cluster.SettingsChanged{ID: id, Settings: &cluster.Settings{
			Cordoned: rapid.Bool().Draw(t, "cordoned"), Metadata: map[string]*string{"disk": &disk},
			Drain: rapid.SampledFrom([]*cluster.Drain{nil, {Since: noon}, {Since: noon, Boot: "boot"}, {Since: noon, Boot: "other"}}).Draw(t, "drain"),
		}})
	case "agent":
		w.tell(false, cluster.AgentChanged{ID: id, Agent: rapid.SampledFrom([]*cluster.Agent{
			nil, {Machine: id, Session: session(id), Since: noon},
		}).Draw(t, "agent")})
	case "absence":
		a := &cluster.Absence{Machine: id, Since: noon, Session: session(id), Address: "192.0.2.1", Metadata: map[string]string{"disk": "ssd"}}
		a.State = rapid.SampledFrom([]cluster.MachineState{"", cluster.StateSilent, cluster.StateLost, cluster.StateLeft}).Draw(t, "state")
		if a.State == "" {
			a = nil
		}
		w.tell(false, cluster.AbsenceChanged{ID: id, Absence: a})
	case "leader":
		w.tell(false, cluster.LeaderChanged{Machine: id})
	case "file gone":
		w.tell(false, cluster.FileChanged{ID: mustParse(rapid.SampledFrom(texts).Draw(t, "file")).ID()})
	case "damage":
		w.damage(t, name, id)
	case "anew":
		w.anew(t, name, id)
	}
}

func session(id cluster.MachineID) cluster.Session {
	return cluster.Session{Lease: int64(id[0]), BootID: "boot"}
}

func (w *world) machine(t *rapid.T, id cluster.MachineID) *cluster.Machine {
	return &cluster.Machine{
		ID: id, Session: session(id), Since: noon, Address: rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2"}).Draw(t, "address"),
		Attends:  rapid.Bool().Draw(t, "attends"),
		Metadata: map[string]string{"disk": rapid.SampledFrom([]string{"ssd", "hdd"}).Draw(t, "disk")},
	}
}

// order adds a unit to a machine's orders, or takes it out of them.
func (w *world) order(t *rapid.T, id cluster.MachineID, name unit.Name) *cluster.Orders {
	o := cluster.Orders{Machine: id, Session: session(id), Units: maps.Clone(w.orders[id].Units), Revision: w.revision + 1}
	if o.Units == nil {
		o.Units = make(map[unit.Name]cluster.Order)
	}
	if _, there := o.Units[name]; there && rapid.Bool().Draw(t, "off") {
		delete(o.Units, name)
	} else {
		u := w.units[name]
		o.Units[name] = cluster.Order{Content: u.Content, Desired: cluster.Launched, Generation: u.Generation, Reason: "it fits"}
	}
	w.orders[id] = o
	return &o
}

// report says something of everything that is ordered, and of one unit that is not.
func (w *world) report(t *rapid.T, id cluster.MachineID) *cluster.Report {
	if !w.alive[id] {
		return nil
	}
	r := cluster.Report{
		Machine: id, Session: session(id), Orders: w.revision, Units: make(map[unit.Name]cluster.UnitReport),
		At: noon.Add(time.Duration(w.revision) * time.Second),
	}
	r.Units[rapid.SampledFrom(names).Draw(t, "leftover")] = cluster.UnitReport{State: unit.State{Load: "loaded", Active: "inactive", Sub: "dead"}}
	active := rapid.SampledFrom([]string{"active", "failed", "activating"}).Draw(t, "active")
	for name, o := range w.orders[id].Units {
		r.Units[name] = cluster.UnitReport{
			State: unit.State{Load: "loaded", Active: active, Sub: "x"}, Content: o.Content, Generation: o.Generation, Tried: o.Generation,
		}
	}
	return &r
}

func (w *world) pending(t *rapid.T, name unit.Name) *cluster.Pending {
	if rapid.Bool().Draw(t, "no more") {
		return nil
	}
	return &cluster.Pending{Generation: w.units[name].Generation, Machines: rapid.IntRange(1, 9).Draw(t, "machines")}
}

func (w *world) damage(t *rapid.T, name unit.Name, id cluster.MachineID) {
	kind := rapid.SampledFrom([]cluster.Kind{
		cluster.KindUnit, cluster.KindPending, cluster.KindMachine, cluster.KindSettings, cluster.KindOrders, cluster.KindReport, cluster.KindFile,
		cluster.KindAgent, cluster.KindAbsence,
	}).Draw(t, "kind")
	key := string(id)
	switch kind {
	case cluster.KindUnit, cluster.KindPending:
		key = string(name)
	case cluster.KindFile:
		key = string(mustParse(texts[0]).ID())
	}
	w.tell(false, cluster.Corrupted{Kind: kind, ID: key, Err: fmt.Sprintf("damaged at %d", w.revision)})
}

// anew tells everything from the beginning, as a store does that has compacted what was missed: there is
// one machine with one unit now.
func (w *world) anew(t *rapid.T, name unit.Name, id cluster.MachineID) {
	clear(w.units)
	clear(w.alive)
	clear(w.orders)
	w.alive[id] = true
	changes := w.submitted(name, texts[1], cluster.Launched)
	changes = append(changes, cluster.MachineChanged{ID: id, Machine: w.machine(t, id)}, cluster.OrdersChanged{ID: id, Orders: w.order(t, id, name)})
	w.tell(true, changes...)
}
