package agent_test

import (
	"context"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"fleet/agent"
	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

func TestStepsAndReportsAreTold(t *testing.T) {
	var (
		mu                 sync.Mutex
		steps, failed      = map[reconcile.Kind]int{}, map[reconcile.Kind]int{}
		written, unwritten int
	)
	events := agent.Events{
		Stepped: func(kind reconcile.Kind, bad bool) {
			mu.Lock()
			defer mu.Unlock()
			steps[kind]++
			if bad {
				failed[kind]++
			}
		},
		Reported: func(_ time.Duration, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				unwritten++
				return
			}
			written++
		},
	}
	playWith(t, events, func(t *testing.T, m *machine, s *session) {
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		s.order("bad.service", failing, cluster.Launched, 6)
		settle()
		if got := m.agent.Tally(); !maps.Equal(got, map[string]int{"active": 1, "failed": 1}) {
			t.Errorf("tally %v", got)
		}
		s.onReport(func() error { return errors.New("no answer") })
		s.drop(web)
		settle()
		mu.Lock()
		bad := unwritten
		mu.Unlock()
		s.onReport(nil)
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		want := map[reconcile.Kind]int{reconcile.Load: 2, reconcile.Start: 2, reconcile.Stop: 1, reconcile.Unload: 1}
		if !maps.Equal(steps, want) || !maps.Equal(failed, map[reconcile.Kind]int{reconcile.Start: 1}) {
			t.Errorf("steps %v, of which failed %v", steps, failed)
		}
		if bad == 0 || written != s.count() {
			t.Errorf("%d reports written, %d told; %d failed", s.count(), written, bad)
		}
		if got := m.agent.Tally(); !maps.Equal(got, map[string]int{"failed": 1}) {
			t.Errorf("tally %v", got)
		}
	})
}

func TestTheBacklogIsWhatIsBegunAndNotDone(t *testing.T) {
	var mu sync.Mutex
	plans := 0
	events := agent.Events{Planned: func(time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		plans++
	}}
	playWith(t, events, func(t *testing.T, m *machine, s *session) {
		if got := m.agent.Backlog(); got != (agent.Backlog{}) {
			t.Errorf("at rest: %+v", got)
		}
		release := make(chan struct{})
		s.onFile(func(context.Context, unit.ContentID) error { <-release; return nil })
		s.order(web, slow, cluster.Launched, 5)
		s.order("other.service", slow, cluster.Launched, 6)
		settle()
		if got, want := m.agent.Backlog(), (agent.Backlog{Steps: 2, Fetches: 1}); got != want {
			t.Errorf("while their file is fetched: %+v, expected %+v", got, want)
		}
		close(release)
		settle()
		if got, want := m.agent.Backlog(), (agent.Backlog{Steps: 2}); got != want {
			t.Errorf("while they start: %+v, expected %+v", got, want)
		}
		time.Sleep(time.Minute)
		if got := m.agent.Backlog(); got != (agent.Backlog{}) {
			t.Errorf("when they have started: %+v", got)
		}
		mu.Lock()
		before := plans
		mu.Unlock()
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if before == 0 || plans != before {
			t.Errorf("%d plans, and %d after an hour in which nothing happened", before, plans)
		}
	})
}
