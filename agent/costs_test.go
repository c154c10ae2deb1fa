package agent_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/functional/costs"
	"fleet/unit"
)

func TestWhatABatchAsksOfSystemd(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		reloads := func(what string, edit func(units map[unit.Name]cluster.Order)) {
			t.Helper()
			before := m.host.Reloads()
			s.edit(edit)
			settle()
			costs.Check(t, what, float64(m.host.Reloads()-before))
		}
		s.onFile(func(context.Context, unit.ContentID) error { time.Sleep(time.Millisecond); return nil }) // as long as etcd takes
		for i := range 100 {
			s.put(text(i))
		}
		order := func(i int) (unit.Name, cluster.Order) {
			return unit.Name(fmt.Sprintf("w%d.service", i)), cluster.Order{Content: unit.IDOf([]byte(text(i))), Desired: cluster.Launched, Generation: 5}
		}
		reports := s.count()
		reloads("reloads of systemd for 100 units that come at once", func(units map[unit.Name]cluster.Order) {
			for i := range 100 {
				name, o := order(i)
				units[name] = o
			}
		})
		if n := len(m.host.Running()); n != 100 {
			t.Fatalf("%d of 100 run", n)
		}
		if n := s.count() - reports; n > 2 { // those that are up when the first is may go with it, or come 50 ms later
			t.Errorf("%d reports about 100 units", n)
		}
		reloads("reloads of systemd for 100 units that are restarted", func(units map[unit.Name]cluster.Order) {
			for name, o := range units {
				o.Generation, o.Restart = 6, 6
				units[name] = o
			}
		})
		reloads("reloads of systemd for 100 units that go at once", func(units map[unit.Name]cluster.Order) { clear(units) })
		if n := len(s.last().Units); n != 0 {
			t.Errorf("%d of 100 are left", n)
		}
	})
}
