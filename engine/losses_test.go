package engine

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// run leads a cluster of these machines, one unit on each, and returns the log.
func (s *store) run(t *testing.T, o Options, machines ...cluster.MachineID) *bytes.Buffer {
	t.Helper()
	logs := &bytes.Buffer{}
	o.Logger = slog.New(slog.NewTextHandler(logs, nil))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- Run(ctx, s, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for _, id := range machines {
		s.machine(id)
	}
	for _, id := range machines {
		s.unit(t, unit.Name(id+".service"))
	}
	synctest.Wait()
	for _, id := range machines {
		if got := s.on(id); len(got) != 1 {
			t.Fatalf("%s has %s", id, got)
		}
	}
	return logs
}

func (s *store) on(id cluster.MachineID) []unit.Name {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.orders[id].Units))
}

func (s *store) lose(ids ...cluster.MachineID) {
	for _, id := range ids {
		s.feed(cluster.MachineChanged{ID: id}, cluster.ReportChanged{ID: id})
	}
}

func (s *store) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

// placed is how many units the machines are ordered to have.
func (s *store) placed(ids ...cluster.MachineID) (n int) {
	for _, id := range ids {
		n += len(s.on(id))
	}
	return n
}

func TestOneLossIsActedOnAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.run(t, Options{}, "m1", "m2", "m3")
		s.lose("m1")
		synctest.Wait() // no time passes
		if s.placed("m2", "m3") != 3 {
			t.Errorf("m2 has %s, m3 has %s", s.on("m2"), s.on("m3"))
		}
		if s.asked != 1 {
			t.Errorf("asked for leases %d times", s.asked)
		}
	})
}

func TestLossesWaitWhileOthersAreOverdue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		logs := s.run(t, Options{}, "m1", "m2", "m3", "m4")
		s.set(func() { s.overdue = []cluster.MachineID{"m2", "m3"} })
		s.lose("m1")
		time.Sleep(3500 * time.Millisecond)
		synctest.Wait()
		if s.placed("m2", "m3", "m4") != 3 || s.asked != 4 {
			t.Errorf("asked %d times; %d units are placed", s.asked, s.placed("m2", "m3", "m4"))
		}
		if !strings.Contains(logs.String(), "have not renewed their leases") {
			t.Errorf("nothing is said of it:\n%s", logs)
		}
		s.set(func() { s.overdue = nil }) // they have renewed
		time.Sleep(time.Second)
		synctest.Wait()
		if s.placed("m2", "m3", "m4") != 4 {
			t.Errorf("%d units are placed", s.placed("m2", "m3", "m4"))
		}
		asked := s.asked
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.asked != asked {
			t.Errorf("asked %d times more in an idle hour", s.asked-asked)
		}
	})
}

func TestLossesWaitWhileNothingIsKnownOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		s.run(t, Options{}, "m1", "m2", "m3")
		s.set(func() { s.deaf = errors.New("no answer") })
		s.lose("m1")
		synctest.Wait()
		if s.placed("m2", "m3") != 2 {
			t.Errorf("%d units are placed", s.placed("m2", "m3"))
		}
		s.set(func() { s.deaf = nil })
		time.Sleep(time.Second)
		synctest.Wait()
		if s.placed("m2", "m3") != 3 {
			t.Errorf("%d units are placed", s.placed("m2", "m3"))
		}
	})
}

func TestMassLossRaisesAnAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		stands := make(map[cluster.AlarmName]bool)
		logs := s.run(t, Options{Events: Events{Alarm: func(name cluster.AlarmName, is bool) { stands[name] = is }}}, "m1", "m2", "m3")
		s.set(func() { s.overdue = []cluster.MachineID{"m2"} })
		s.lose("m1")
		time.Sleep(time.Second)
		s.lose("m2")
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.placed("m3") != 1 || !stands[cluster.MassLoss] {
			t.Errorf("%d units on m3, alarms: %v", s.placed("m3"), stands)
		}
		if !strings.Contains(logs.String(), `level=WARN msg=alarm alarm=mass-loss reason="2 of 3 machines lost`) {
			t.Errorf("the alarm is not in the log:\n%s", logs)
		}
		s.machine("m1")
		s.machine("m2")
		synctest.Wait()
		if stands[cluster.MassLoss] || !strings.Contains(logs.String(), `msg="alarm is over" alarm=mass-loss`) {
			t.Errorf("the alarm goes on to stand when all are back\n%s", logs)
		}
	})
}

func TestPatienceIsAskedForAtEveryRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		var until time.Time
		s.run(t, Options{Patience: func() time.Time { return until }}, "m1", "m2", "m3")
		until = time.Now().Add(10 * time.Second)
		s.lose("m1")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		if s.placed("m2", "m3") != 2 {
			t.Errorf("%d units are placed", s.placed("m2", "m3"))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.placed("m2", "m3") != 3 {
			t.Errorf("%d units are placed", s.placed("m2", "m3"))
		}
	})
}
