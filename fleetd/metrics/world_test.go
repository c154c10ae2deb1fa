package metrics_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/agent"
	"fleet/api"
	"fleet/cluster"
	"fleet/fleetd/metrics"
	"fleet/fleetd/presence"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/systemd"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// world is a cluster whose machines count. The first machine leads for as long as it is there.
type world struct {
	t        *testing.T
	store    *memory.Server
	user     *registry.Registry
	machines []*machine
	demand   bool // the cluster is followed on demand
}

type machine struct {
	id     cluster.MachineID
	counts *metrics.Metrics
	client *memory.Client
	api    http.Handler
	end    func()
}

func in(t *testing.T, machines int, test func(t *testing.T, w *world)) {
	t.Helper()
	world{}.run(t, machines, test)
}

func (w world) run(t *testing.T, machines int, test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: memory.New(), demand: w.demand}
		defer w.store.Close()
		w.user = registry.New(w.store.Client(), registry.Options{})
		for range machines {
			m := w.join()
			defer m.end()
			w.settle()
		}
		test(t, w)
	})
}

// settle lets time pass until everything has come to rest.
func (w *world) settle() {
	time.Sleep(5 * time.Minute)
	synctest.Wait() // what is due at that very moment is done
}

func (w *world) join() *machine {
	number := len(w.machines) + 1
	m := &machine{id: cluster.MachineID(fmt.Sprintf("%032d", number)), counts: metrics.New("2.0.0"), client: w.store.Client()}
	w.machines = append(w.machines, m)
	connection := systemdtest.NewHost().Manager()
	worker, err := agent.New(connection, agent.Options{Machine: m.id, BootID: "boot", Events: m.counts.Agent()})
	if err != nil {
		w.t.Fatal(err)
	}
	records := registry.New(m.counts.Store(m.client), registry.Options{})
	var follow api.Follow
	if w.demand {
		follow.Count = records.CountMachines
	}
	server := api.New(records, api.Options{Applied: m.counts.Applied(), Follow: follow})
	m.api = server.Handler()
	member := presence.New(records, worker, presence.Options{
		Machine:  cluster.Machine{ID: m.id, Session: cluster.Session{BootID: "boot"}, Address: fmt.Sprintf("10.0.0.%d", number)},
		LeaseTTL: 10 * time.Second,
		Memory:   forgetful{},
		Events:   m.counts.Engine(),
		Logger:   slog.New(slog.DiscardHandler),
	})
	m.counts.Watch(metrics.Sources{
		Ready: member.Ready, Session: member.Session, Units: worker.Tally, Backlog: worker.Backlog, API: server.Load,
		Asked: func() systemd.Asked { return systemd.Asked{Calls: 1, MaxCalls: 2, Jobs: 3, MaxJobs: 4} },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	for _, run := range []func(context.Context) error{connection.Run, worker.Run, server.Run, member.Run} {
		parts.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				w.t.Errorf("machine %s: %v", m.id, err)
			}
		})
	}
	m.end = func() {
		cancel()
		parts.Wait()
	}
	return m
}

// forgetful remembers no session.
type forgetful struct{}

func (forgetful) Load() registry.Hold      { return registry.Hold{} }
func (forgetful) Save(registry.Hold) error { return nil }

func (w *world) put(name unit.Name, text string) {
	w.t.Helper()
	f, err := unit.Parse([]byte(text))
	if err != nil {
		w.t.Fatal(err)
	}
	u := cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Launched}
	w.edit(name, &cluster.UnitEdit{Unit: u, File: []byte(text)})
}

func (w *world) edit(name unit.Name, edit *cluster.UnitEdit) {
	w.t.Helper()
	_, err := w.user.UpdateUnit(w.t.Context(), name, func(*cluster.Unit) (*cluster.UnitEdit, error) { return edit, nil })
	if err != nil {
		w.t.Fatal(err)
	}
	w.settle()
}

// samples are what one scrape shows, by name and labels as they are printed.
type samples map[string]float64

func scrape(t *testing.T, m *metrics.Metrics) samples {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK || !strings.HasPrefix(answer.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("code %d, %q", answer.Code, answer.Header().Get("Content-Type"))
	}
	all := make(samples)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		series, value, ok := strings.Cut(lines.Text(), "} ")
		if ok {
			series += "}"
		} else if series, value, ok = strings.Cut(lines.Text(), " "); !ok || series == "#" {
			continue
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil {
			all[series] = n
		}
	}
	return all
}

// expect compares some samples.
func (m *machine) expect(t *testing.T, about string, want samples) {
	t.Helper()
	got := scrape(t, m.counts)
	for series, n := range want {
		if have, there := got[series]; !there || have != n {
			t.Errorf("%s: %s is %v (there: %t), expected %v", about, series, have, there, n)
		}
	}
}
