package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// pipe is a connection of which a test reads the other end: a write blocks until it is read.
type pipe struct {
	header http.Header
	*io.PipeWriter
}

func (p pipe) Header() http.Header { return p.header }
func (p pipe) WriteHeader(int)     {}
func (p pipe) Flush()              {}

// reader reads one event stream.
type reader struct {
	t       *testing.T
	decoder *json.Decoder
	cancel  func() // ends the request's context, as a listener does that is shut down
	leave   func() // what a client does that goes away
}

// open opens an event stream on a server, without a network so that time is the bubble's.
func open(t *testing.T, server *api.Server, query string) *reader {
	return openPath(t, server, "events?"+query)
}

func openPath(t *testing.T, server *api.Server, path string) *reader {
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/fleet/v1/"+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		server.Handler().ServeHTTP(pipe{make(http.Header), w}, req)
		w.Close()
	}()
	leave := func() { cancel(); r.Close() }
	t.Cleanup(leave)
	return &reader{t: t, decoder: json.NewDecoder(r), cancel: cancel, leave: leave}
}

// next reads an event as a short text.
func (r *reader) next() string {
	r.t.Helper()
	var e api.Event
	if err := r.decoder.Decode(&e); err != nil {
		return err.Error()
	}
	switch {
	case e.Unit != nil && e.Unit.Absent:
		return fmt.Sprintf("unit %s absent", e.Unit.Name)
	case e.Unit != nil:
		return fmt.Sprintf("unit %s %s %d", e.Unit.Name, e.Unit.DesiredState, e.Unit.Generation)
	case e.Machine != nil:
		return strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Type, e.Machine.ID, e.Machine.PrimaryIP))
	case e.Message != "":
		return fmt.Sprintf("%s: %s", e.Type, e.Message)
	}
	return string(e.Type)
}

func (r *reader) expect(want ...string) {
	r.t.Helper()
	for i, w := range want {
		if got := r.next(); got != w {
			r.t.Fatalf("event %d is %q, want %q", i, got, w)
		}
	}
}

// bubble runs a server without a network in a bubble of its own time.
func bubble(t *testing.T, test func(t *testing.T, f *fixture)) {
	synctest.Test(t, func(t *testing.T) {
		f := &fixture{store: newFakeStore()}
		f.store.write()
		ctx, cancel := context.WithCancel(t.Context())
		f.api = api.New(f.store, api.Options{Ready: f.ready})
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := f.api.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		f.stop = func() { cancel(); <-done }
		defer f.stop()
		synctest.Wait()
		test(t, f)
	})
}

func TestEventsTellWhatIsAndThenWhatChanges(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		f.store.submit(t, "b.service", sleepUnit, cluster.Inactive)
		synctest.Wait()

		all := open(t, f.api, "")
		all.expect("unit a.service inactive 2", "unit b.service inactive 3", "sync")
		some := open(t, f.api, "unitName=z.service&unitName=a.service")
		some.expect("unit a.service inactive 2", "unit z.service absent", "sync")

		f.store.submit(t, "b.service", sleepUnit, cluster.Launched)
		all.expect("unit b.service launched 4")
		f.store.submit(t, "z.service", sleepUnit, cluster.Launched)
		all.expect("unit z.service launched 5")
		some.expect("unit z.service launched 5") // and nothing of b.service
		f.store.write(cluster.UnitChanged{Name: "z.service"})
		all.expect("unit z.service absent")
		some.expect("unit z.service absent")
	})
}

func TestEventsOfMachines(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		machine := cluster.Machine{ID: "m1", Address: "10.0.0.1"}
		f.store.write(cluster.MachineChanged{ID: "m1", Machine: &machine})
		synctest.Wait()
		r := open(t, f.api, "machines=true&unitName=a.service")
		r.expect("machine m1 10.0.0.1", "unit a.service absent", "sync")

		f.store.write(cluster.MachineChanged{ID: "m1", Machine: &machine}) // says nothing new
		moved := machine                                                   // a record that was handed over is not written to
		moved.Address = "10.0.0.2"
		f.store.write(cluster.MachineChanged{ID: "m1", Machine: &moved})
		r.expect("machine m1 10.0.0.2")
		f.store.write(cluster.LeaderChanged{Machine: "m1"})
		r.expect("machine m1 10.0.0.2")
		f.store.write(cluster.SettingsChanged{ID: "m1", Settings: &cluster.Settings{Cordoned: true}})
		r.expect("machine m1 10.0.0.2")
		f.store.write(cluster.SettingsChanged{ID: "m1", Settings: &cluster.Settings{Cordoned: true, Capacity: map[string]int64{"gpu": 2}}})
		r.expect("machine m1 10.0.0.2")
		orders := func(id unit.ContentID, generation int64) cluster.Change {
			return cluster.OrdersChanged{ID: "m1", Orders: &cluster.Orders{Machine: "m1", Units: map[unit.Name]cluster.Order{
				"b.service": {Content: id, Generation: generation},
			}}}
		}
		f.store.write(orders("one", 1))
		r.expect("machine m1 10.0.0.2")
		f.store.write(orders("one", 2)) // reserves what it did
		f.store.write(orders("other", 3))
		r.expect("machine m1 10.0.0.2")
		f.store.write(cluster.MachineChanged{ID: "m1"})
		r.expect("machine-gone m1")
	})
}

// Who does not read gets the newest state when he does, and holds up nobody:
// neither the cache nor another reader.
func TestASlowReaderIsToldOnlyTheNewest(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		slow := open(t, f.api, "unitName=a.service&unitName=b.service")
		quick := open(t, f.api, "unitName=b.service")
		slow.expect("unit a.service absent", "unit b.service absent", "sync")
		quick.expect("unit b.service absent", "sync")

		for range 500 {
			f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		}
		last := f.store.submit(t, "a.service", sleepUnit, cluster.Launched)
		b := f.store.submit(t, "b.service", sleepUnit, cluster.Launched)
		quick.expect(fmt.Sprintf("unit b.service launched %d", b.Generation))

		newest := fmt.Sprintf("unit a.service launched %d", last.Generation)
		for n := 0; ; n++ {
			if n > 3 {
				t.Fatal("more than three events: the changes in between were kept")
			}
			if slow.next() == newest {
				break
			}
		}
		slow.expect(fmt.Sprintf("unit b.service launched %d", b.Generation))
	})
}

func TestEventsPingWhenNothingHappens(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		start := time.Now()
		r := open(t, f.api, "unitName=a.service")
		r.expect("unit a.service absent", "sync", "ping", "ping")
		if idle := time.Since(start); idle != 30*time.Second {
			t.Errorf("two pings in %s", idle)
		}
	})
}

func TestEventsEndWhenTheStoreIsLost(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := open(t, f.api, "unitName=a.service")
		r.expect("unit a.service absent", "sync")
		f.notReady.Store(true)
		r.expect("end: the store does not answer", "EOF")
	})
}

func TestEventsEndAtShutdown(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := open(t, f.api, "unitName=a.service")
		r.expect("unit a.service absent", "sync")
		go f.stop()
		r.expect("end: fleetd is shutting down", "EOF")
	})
	bubble(t, func(t *testing.T, f *fixture) {
		r := open(t, f.api, "unitName=a.service")
		r.expect("unit a.service absent", "sync")
		r.cancel()
		r.expect("end: fleetd is shutting down", "EOF")
	})
}

func TestAStreamThatIsLeftIsForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		r := open(t, f.api, "")
		r.expect("sync")
		if n := api.Listening(f.api); n != 1 {
			t.Errorf("%d streams are open, want 1", n)
		}
		r.leave()
		synctest.Wait()
		if n := api.Listening(f.api); n != 0 {
			t.Errorf("%d streams are still open", n)
		}
	})
}

// After changes were missed everything is told anew, also what has gone meanwhile.
func TestEventsAfterAReset(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.store.submit(t, "a.service", sleepUnit, cluster.Inactive)
		f.store.submit(t, "b.service", sleepUnit, cluster.Inactive)
		synctest.Wait()
		r := open(t, f.api, "")
		r.expect("unit a.service inactive 2", "unit b.service inactive 3", "sync")
		b := f.store.unit("b.service")
		f.store.reset(cluster.UnitChanged{Name: "b.service", Unit: &b})
		r.expect("unit a.service absent", "unit b.service inactive 3")
	})
}

func TestEventsRefuseWhatNobodyMeant(t *testing.T) {
	f := newFixture(t, api.Options{})
	for query, want := range map[string]string{
		"machines=perhaps": "parameter machines: expect true or false",
		"unitName=web":     `parameter unitName: unit name must contain "."`,
	} {
		code, message := f.call(t, http.MethodGet, "/fleet/v1/events?"+query, "", http.NoBody)
		if code != http.StatusBadRequest || message != want {
			t.Errorf("%s: %d %q, want 400 %q", query, code, message, want)
		}
	}
}

// The state of ten thousand units is told in order, while they change.
func TestManyUnits(t *testing.T) {
	f := newFixture(t, api.Options{})
	file, err := unit.Parse([]byte(sleepUnit))
	if err != nil {
		t.Fatal(err)
	}
	const total = 10_000
	changes := []cluster.Change{cluster.FileChanged{ID: file.ID(), File: file}}
	for i := range total {
		name := unit.Name(fmt.Sprintf("u%05d.service", i))
		changes = append(changes, cluster.UnitChanged{Name: name, Unit: &cluster.Unit{
			Name: name, Content: file.ID(), Desired: cluster.Launched, Generation: 1,
		}})
	}
	f.settle(t, f.store.write(changes...))
	units, err := f.client.Units(t.Context())
	if err != nil || len(units) != total {
		t.Fatalf("listed %d units, %v", len(units), err)
	}
	told := 0
	done := fmt.Errorf("enough")
	err = f.client.Events(t.Context(), api.EventsOptions{}, func(e api.Event) error {
		if e.Type == api.EventSync {
			return done
		}
		if told < total && e.Unit.Name != units[told].Name {
			return fmt.Errorf("event %d is about %s", told, e.Unit.Name)
		}
		told++
		return nil
	})
	if err != done || told != total {
		t.Errorf("told of %d units, %v", told, err)
	}
}
