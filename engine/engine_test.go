package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// store is a term whose writes come back by the watch, as the registry's do.
type store struct {
	updates  chan cluster.Update
	mu       sync.Mutex // guards what follows
	revision int64
	orders   map[cluster.MachineID]cluster.Orders
	commits  int
	fail     error
	delay    time.Duration
	overdue  []cluster.MachineID
	deaf     error // what Overdue answers
	asked    int   // how often it was
}

func newStore() *store {
	s := &store{updates: make(chan cluster.Update, 2000), orders: map[cluster.MachineID]cluster.Orders{}}
	s.updates <- cluster.Update{Reset: true}
	return s
}

func (s *store) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case u := <-s.updates:
			if err := fn(u); err != nil {
				return err
			}
		}
	}
}

func (s *store) Commit(_ context.Context, d cluster.Decision) (int64, error) {
	time.Sleep(s.delay)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return 0, s.fail
	}
	s.commits++
	s.revision++
	u := cluster.Update{Revision: s.revision}
	for id, o := range d.Orders {
		o.Revision = s.revision
		s.orders[id] = o
		u.Changes = append(u.Changes, cluster.OrdersChanged{ID: id, Orders: &o})
	}
	for name, p := range d.Pending {
		u.Changes = append(u.Changes, cluster.PendingChanged{Name: name, Pending: p})
	}
	for id := range d.Collect {
		u.Changes = append(u.Changes, cluster.FileChanged{ID: id})
	}
	for id, absence := range d.Absences {
		u.Changes = append(u.Changes, cluster.AbsenceChanged{ID: id, Absence: absence})
	}
	for name, alarm := range d.Alarms {
		u.Changes = append(u.Changes, cluster.AlarmChanged{Name: name, Alarm: alarm})
	}
	s.updates <- u
	return s.revision, nil
}

func (s *store) Overdue(context.Context, []cluster.MachineID) ([]cluster.MachineID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	return s.overdue, s.deaf
}

func (s *store) feed(changes ...cluster.Change) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision++
	s.updates <- cluster.Update{Revision: s.revision, Changes: changes}
}

func (s *store) machine(id cluster.MachineID) {
	session := cluster.Session{Lease: 1, BootID: "boot"}
	s.feed(
		cluster.MachineChanged{ID: id, Machine: &cluster.Machine{ID: id, Session: session}},
		cluster.ReportChanged{ID: id, Report: &cluster.Report{Machine: id, Session: session}},
	)
}

func (s *store) unit(t *testing.T, name unit.Name) {
	t.Helper()
	f, err := unit.Parse([]byte("[Service]\nExecStart=/bin/true\n"))
	if err != nil {
		t.Fatal(err)
	}
	u := cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Launched, Generation: 1}
	s.feed(cluster.FileChanged{ID: f.ID(), File: f, Revision: 1}, cluster.UnitChanged{Name: name, Unit: &u})
}

func TestPlacesAndThenIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, logs := newStore(), &bytes.Buffer{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Run(ctx, s, Options{Logger: slog.New(slog.NewTextHandler(logs, nil))}) }()

		s.machine("m1")
		s.unit(t, "a.service")
		synctest.Wait()
		if o, ok := s.orders["m1"].Units["a.service"]; !ok || o.Desired != cluster.Launched || o.Since != time.Now() {
			t.Errorf("orders of m1: %v", s.orders["m1"])
		}
		commits := s.commits
		time.Sleep(time.Hour)
		if s.commits != commits {
			t.Errorf("an idle hour took %d writes", s.commits-commits)
		}
		if n := strings.Count(logs.String(), `msg=place unit=a.service machine=m1 reason="the only machine that fits"`); n != 1 {
			t.Errorf("the placement was logged %d times:\n%s", n, logs)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ended with its context: %v", err)
		}
	})
}

func TestGathersWhileItWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.machine("m1")
		s.delay = 10 * time.Millisecond
		go func() { _ = Run(t.Context(), s, Options{Logger: slog.New(slog.DiscardHandler)}) }()
		s.unit(t, "first.service")
		synctest.Wait()
		for _, name := range []unit.Name{"a.service", "b.service", "c.service", "d.service"} {
			s.unit(t, name)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.orders["m1"].Units); n != 5 || s.commits > 3 {
			t.Errorf("%d units ordered with %d writes: %v", n, s.commits, slices.Sorted(maps.Keys(s.orders["m1"].Units)))
		}
	})
}

// Units come one after the other, to a machine of which the orders are long: these are not written for each of them.
func TestLongOrdersAreNotWrittenForEveryUnit(t *testing.T) {
	const first, more = 1000, 500
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.machine("m1")
		for i := range first {
			s.unit(t, unit.Name(fmt.Sprintf("a%d.service", i)))
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		go func() { _ = Run(t.Context(), s, Options{Logger: slog.New(slog.DiscardHandler)}) }()
		time.Sleep(time.Second)
		synctest.Wait()
		before := s.commits
		for i := range more {
			s.unit(t, unit.Name(fmt.Sprintf("b%d.service", i)))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		if n, writes := len(s.orders["m1"].Units), s.commits-before; n != first+more || writes > 60 {
			t.Errorf("%d units ordered, with %d writes for %d of them in half a second", n, writes, more)
		}
	})
}

func TestEndsWithItsTerm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.fail = cluster.ErrDeposed
		s.machine("m1")
		s.unit(t, "a.service")
		err := Run(t.Context(), s, Options{Logger: slog.New(slog.DiscardHandler)})
		if !errors.Is(err, cluster.ErrDeposed) {
			t.Errorf("ended with %v", err)
		}
	})
}
