package engine

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// tally adds up rounds.
type tally struct {
	mu     sync.Mutex
	sum    Round
	rounds int
	writes int
	brain  time.Duration
	leads  bool
	nobody map[string]int // has a place, by reason
	queued int
}

func (c *tally) events() Events {
	c.nobody = make(map[string]int)
	return Events{
		Homeless: func(reason string, units int) { c.nobody[reason] = units },
		Queued: func(updates int) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.queued = updates
		},
		Began: func(time.Time) { c.leads = true },
		Ended: func() { c.leads = false },
		Decided: func(r Round) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.rounds++
			c.writes += r.Writes
			c.brain += r.Brain
			if r.Brain > r.Took {
				panic("the brain took longer than the round")
			}
			c.sum.Changed += r.Changed
			c.sum.Done.Place += r.Done.Place
			c.sum.Done.Withdraw += r.Done.Withdraw
			c.sum.Failed.Place += r.Failed.Place
			c.sum.Failed.Withdraw += r.Failed.Withdraw
			c.sum.Orphaned += r.Orphaned
			c.sum.Barred += r.Barred
			c.sum.Pending += r.Pending
		},
	}
}

// expect compares what was counted so far, once all is quiet.
func (c *tally) expect(t *testing.T, about string, want Round) {
	t.Helper()
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sum != want {
		t.Errorf("%s: %+v, expected %+v", about, c.sum, want)
	}
}

func (c *tally) expectHomeless(t *testing.T, want map[string]int) {
	t.Helper()
	if !maps.Equal(c.nobody, want) {
		t.Errorf("told of units without a machine: %v, expected %v", c.nobody, want)
	}
}

func TestRoundsTellWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newStore(), &tally{}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- Run(ctx, s, Options{Logger: slog.New(slog.DiscardHandler), Events: c.events()}) }()

		s.unit(t, "a.service")
		s.unit(t, "b.service")
		c.expect(t, "no machine", Round{Pending: 2})
		c.expectHomeless(t, map[string]int{"NoMachine": 2})
		s.machine("m1")
		c.expect(t, "a machine", Round{Pending: 2, Done: Tasks{Place: 2}})
		if !c.leads {
			t.Error("the term has begun, and nobody was told")
		}

		s.feed(cluster.MachineChanged{ID: "m1"}, cluster.ReportChanged{ID: "m1"})
		c.expect(t, "no machine again", Round{Pending: 4, Done: Tasks{Place: 2}, Orphaned: 2})
		s.machine("m2")
		c.expect(t, "another machine", Round{Pending: 4, Done: Tasks{Place: 4}, Orphaned: 2})
		s.feed(cluster.UnitChanged{Name: "a.service"})
		c.expect(t, "a is destroyed", Round{Pending: 4, Done: Tasks{Place: 4, Withdraw: 1}, Orphaned: 2})
		s.change(t, "b.service", "[Service]\nExecStart=/bin/true\n[X-Fleet]\nMachineID=nowhere\n")
		c.expect(t, "b may not be there any more", Round{Pending: 5, Done: Tasks{Place: 4, Withdraw: 2}, Orphaned: 2, Barred: 1})
		c.expectHomeless(t, map[string]int{"NoMachine": 0, "MachineID": 1})
		if c.writes == 0 || c.queued != 0 {
			t.Errorf("%d transactions, and %d updates still wait", c.writes, c.queued)
		}

		before := c.rounds
		time.Sleep(time.Hour)
		if c.rounds != before {
			t.Errorf("an idle hour took %d rounds", c.rounds-before)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if c.leads {
			t.Error("the term has ended, and nobody was told")
		}
		c.expectHomeless(t, map[string]int{"NoMachine": 0, "MachineID": 0})
	})
}

func TestWhatWasNotWrittenIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, c := newStore(), &tally{}
		s.fail = cluster.ErrDeposed
		s.machine("m1")
		s.unit(t, "a.service")
		if err := Run(t.Context(), s, Options{Logger: slog.New(slog.DiscardHandler), Events: c.events()}); err == nil {
			t.Error("the term went on")
		}
		c.expect(t, "deposed", Round{Failed: Tasks{Place: 1}})
		if c.leads {
			t.Error("the term has ended, and nobody was told")
		}
	})
}

// change gives a unit another file.
func (s *store) change(t *testing.T, name unit.Name, text string) {
	t.Helper()
	f, err := unit.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	u := cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Launched, Generation: 2}
	s.feed(cluster.FileChanged{ID: f.ID(), File: f, Revision: 1}, cluster.UnitChanged{Name: name, Unit: &u})
}
