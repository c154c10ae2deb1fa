package agent_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// ponderous takes its time to read unit files, and counts how often it does.
type ponderous struct {
	agent.Systemd
	takes time.Duration
	loads *int
}

func (p ponderous) Load(ctx context.Context, files map[unit.Name][]byte) (map[unit.Name]error, error) {
	*p.loads++
	time.Sleep(p.takes)
	return p.Systemd.Load(ctx, files)
}

// Or else a systemd to which units come one after the other does nothing but read all its files again and again.
func TestUnitsThatComeOneAfterTheOtherLeaveSystemdTimeForThem(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{t: t, host: systemdtest.NewHost(), stateFile: dir + "/agent.json"}
		var loads int
		m.wrap = func(sd agent.Systemd) agent.Systemd { return ponderous{sd, 500 * time.Millisecond, &loads} }
		m.boot()
		s := newSession(1)
		m.serve(s)
		settle()
		began := time.Now()
		for i := range 60 {
			s.order(unit.Name(fmt.Sprintf("w%d.service", i)), sleeper, cluster.Launched, 5)
			time.Sleep(50 * time.Millisecond)
		}
		for len(m.host.Running()) < 60 && time.Since(began) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		// Three seconds of orders at one load in each, and what came during the last of these.
		if took := time.Since(began); loads > 5 || took > 4500*time.Millisecond {
			t.Errorf("%d loads, and all ran after %s", loads, took)
		}

		time.Sleep(10 * time.Second)
		began = time.Now()
		s.order("late.service", sleeper, cluster.Launched, 6)
		for len(m.host.Running()) < 61 && time.Since(began) < time.Minute {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(began); took > 600*time.Millisecond {
			t.Errorf("a unit that comes alone runs after %s", took)
		}
	})
}

// Each report is of all units, and every fleetd reads it.
func TestAHostOfManyUnitsReportsLessOften(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		for i := range 1000 {
			s.order(unit.Name(fmt.Sprintf("w%d.service", i)), sleeper, cluster.Launched, 5)
		}
		settle()
		time.Sleep(10 * time.Second)
		first := s.count()
		for i := range 100 {
			s.order("w7.service", sleeper, []cluster.DesiredState{cluster.Loaded, cluster.Launched}[i%2], int64(6+i))
			time.Sleep(100 * time.Millisecond)
		}
		if n := s.count() - first; n < 25 || n > 40 {
			t.Errorf("%d reports in 10 s", n)
		}
	})
}
