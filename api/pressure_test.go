package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// busyStore carries out one change after another, and answers nobody who has to wait for longer than etcd's clients do.
type busyStore struct {
	*fakeStore
	turn chan struct{}

	mu         sync.Mutex
	asked, has int // most at a time, and now
}

func newBusyStore(f *fakeStore) *busyStore {
	return &busyStore{fakeStore: f, turn: make(chan struct{}, 1)}
}

func (s *busyStore) count(by int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.has += by
	s.asked = max(s.asked, s.has)
}

func (s *busyStore) UpdateUnit(ctx context.Context, name unit.Name, change func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	s.count(+1)
	defer s.count(-1)
	select {
	case s.turn <- struct{}{}:
	case <-time.After(3 * time.Second):
		return cluster.Unit{}, cluster.ErrUnavailable
	}
	defer func() { <-s.turn }()
	time.Sleep(10 * time.Millisecond)
	return s.fakeStore.UpdateUnit(ctx, name, change)
}

// busy is a server in a bubble whose store is one.
func busy(t *testing.T, f *fixture, limits api.Limits) (*busyStore, *api.Client) {
	t.Helper()
	store := newBusyStore(f.store)
	f.api = api.New(store, api.Options{Limits: limits})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { _ = f.api.Run(ctx) }()
	synctest.Wait()
	handler := f.api.Handler()
	return store, api.ClientOver(roundTripper(func(r *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Result(), nil
	}), api.ClientOptions{Timeout: 30 * time.Second})
}

// all submits units all at once, and returns what came of them.
func all(t *testing.T, n int, submit func(name unit.Name) error) []error {
	t.Helper()
	problems := make([]error, n)
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() { problems[i] = submit(unit.Name(fmt.Sprintf("u%d.service", i))) })
	}
	group.Wait()
	return problems
}

// Who asks for more than the store can take waits for it; nobody is refused, and the store is not asked by all at once.
func TestWhoIsFasterThanTheStoreIsSlowed(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		store, client := busy(t, f, api.Limits{})
		began := time.Now()
		for _, err := range all(t, 1000, func(name unit.Name) error {
			_, err := client.PutFile(t.Context(), name, []byte(sleepUnit), api.PutFileOptions{})
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); store.asked != 256 || took != 10*time.Second {
			t.Errorf("it took %s, with %d changes at a time", took, store.asked)
		}
	})
}

// One request about many does not hold up the others.
func TestManyChangesAtOnceLeaveTurnsToOthers(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		_, client := busy(t, f, api.Limits{})
		many := make(chan error, 1)
		go func() {
			var changes []api.Change
			for i := range 1000 {
				changes = append(changes, api.Change{Name: unit.Name(fmt.Sprintf("many%d.service", i)), File: []byte(sleepUnit)})
			}
			_, err := client.Change(t.Context(), changes)
			many <- err
		}()
		synctest.Wait()
		began := time.Now()
		if _, err := client.PutFile(t.Context(), "one.service", []byte(sleepUnit), api.PutFileOptions{}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("one unit took %s beside a thousand", took)
		}
		if err := <-many; err != nil {
			t.Error(err)
		}
	})
}

// Only at a bound that has a name is anything refused, before it was done; a client that is told when to come again does.
func TestTooManyWritesAreRefusedAndSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		_, client := busy(t, f, api.Limits{Writes: 100})
		go all(t, 100, func(name unit.Name) error {
			_, err := client.PutFile(t.Context(), name, []byte(sleepUnit), api.PutFileOptions{})
			return err
		})
		synctest.Wait()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, "/fleet/v1/units/late.service/file", strings.NewReader(sleepUnit))
		w := httptest.NewRecorder()
		f.api.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), "100 (api_max_writes of fleetd)") {
			t.Errorf("%d %q %s", w.Code, w.Header().Get("Retry-After"), w.Body)
		}
		if _, err := client.PutFile(t.Context(), "late.service", []byte(sleepUnit), api.PutFileOptions{}); err != nil {
			t.Errorf("a client that comes again: %v", err)
		}
		synctest.Wait()
		if now := f.api.Load(); now.Writes+now.Storing != 0 || now.Bodies != 0 || now.MaxWrites != 100 {
			t.Errorf("when all is done: %+v", now)
		}
	})
}

// A client gives up when its time is over, with what the server said.
func TestAClientDoesNotComeAgainForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		client := api.ClientOver(roundTripper(func(*http.Request) (*http.Response, error) {
			asked++
			w := httptest.NewRecorder()
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return w.Result(), nil
		}), api.ClientOptions{Timeout: 10 * time.Second})
		began := time.Now()
		_, err := client.Restart(t.Context(), "a.service")
		var answer *api.Error
		if !errors.As(err, &answer) || answer.Code != http.StatusTooManyRequests || time.Since(began) > 10*time.Second || asked < 5 {
			t.Errorf("asked %d times in %s: %v", asked, time.Since(began), err)
		}
	})
}

// What is in memory of bodies has a bound, and who finds it reached waits.
func TestBodiesAreReadWhenThereIsRoom(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		_, client := busy(t, f, api.Limits{Body: 1000})
		var most atomic.Int64
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			for ctx.Err() == nil {
				now := f.api.Load()
				most.Store(max(most.Load(), now.Bodies))
				if now.Bodies > now.MaxBodies || now.MaxBodies != 64_000 {
					t.Errorf("%+v", now)
				}
				time.Sleep(time.Millisecond)
			}
		}()
		for _, err := range all(t, 500, func(name unit.Name) error {
			file := sleepUnit + "#" + strings.Repeat("x", 700)
			_, err := client.PutFile(t.Context(), name, []byte(file), api.PutFileOptions{})
			return err
		}) {
			if err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		time.Sleep(time.Second)
		if n := most.Load(); n < 50_000 {
			t.Errorf("at most %d bytes were held: the bound was not reached", n)
		}
	})
}

// A store that is nearly full takes in no new units, and everything else.
func TestAFullStoreTakesInNoNewUnits(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.store.submit(t, "old.service", sleepUnit, cluster.Inactive)
	alarm := cluster.Alarm{Name: cluster.StoreFull, Since: noon, Message: "etcd has 1.9G in use"}
	f.settle(t, f.store.write(cluster.AlarmChanged{Name: alarm.Name, Alarm: &alarm}))

	_, err := f.client.PutFile(t.Context(), "new.service", []byte(sleepUnit), api.PutFileOptions{})
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != http.StatusInsufficientStorage ||
		answer.Message != "alarm store-full stands: etcd has 1.9G in use. If there is no other way, acknowledge the alarm" {
		t.Errorf("a new unit: %v", err)
	}
	results, err := f.client.Change(t.Context(), []api.Change{
		{Name: "new.service", File: []byte(sleepUnit)},
		{Name: "old.service", Desired: cluster.Launched},
	})
	if err != nil || results[0].Code != http.StatusInsufficientStorage || results[1].Err() != nil {
		t.Errorf("%+v, %v", results, err)
	}
	if _, err := f.client.PutFile(t.Context(), "old.service", []byte(sleepUnit+"#"), api.PutFileOptions{}); err != nil {
		t.Errorf("another file: %v", err)
	}
	if _, err := f.client.Destroy(t.Context(), "old.service"); err != nil {
		t.Errorf("destroy: %v", err)
	}

	ack := cluster.Ack{Name: alarm.Name, Since: alarm.Since}
	f.settle(t, f.store.write(cluster.AckChanged{Name: ack.Name, Ack: &ack}))
	if _, err := f.client.PutFile(t.Context(), "new.service", []byte(sleepUnit), api.PutFileOptions{}); err != nil {
		t.Errorf("a new unit when the alarm is acknowledged: %v", err)
	}
	f.store.fail = fmt.Errorf("write to etcd: %w", cluster.ErrNoSpace)
	if _, err := f.client.SetDesired(t.Context(), "new.service", cluster.Launched); !errors.As(err, &answer) || answer.Code != http.StatusInsufficientStorage {
		t.Errorf("etcd refuses: %v", err)
	}
}
