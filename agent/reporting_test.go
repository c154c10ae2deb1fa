package agent_test

import (
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

func TestAReportWaitsForStepsUnderWayButNotForLong(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		before := s.count()
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		if n := s.count() - before; n != 1 || s.last().Units[web].Active != "active" {
			t.Errorf("a start took %d reports, the last of which is %+v", n, s.last())
		}
		before = s.count()
		s.drop(web)
		settle()
		if n := s.count() - before; n != 1 || len(s.last().Units) != 0 {
			t.Errorf("a removal took %d reports, the last of which is %+v", n, s.last())
		}

		s.order("slow.service", slow, cluster.Launched, 6)
		time.Sleep(200 * time.Millisecond)
		if u := s.last().Units["slow.service"]; u.Active != "activating" {
			t.Errorf("a start that takes ten seconds is not reported: %+v", s.last())
		}
		// Nothing is to be done about what the machine does not have.
		began := time.Now()
		s.edit(func(units map[unit.Name]cluster.Order) {})
		for s.last().Orders != s.orders.Revision {
			time.Sleep(time.Millisecond)
		}
		if waited := time.Since(began); waited > 200*time.Millisecond {
			t.Errorf("orders are confirmed after %s", waited)
		}
		settle()
		m.host.FillDisk(true)
		s.order("other.service", sleeper, cluster.Launched, 7)
		time.Sleep(200 * time.Millisecond)
		if u := s.last().Units["other.service"]; u.Error == "" {
			t.Errorf("a load that fails is not reported: %+v", s.last())
		}
	})
}
