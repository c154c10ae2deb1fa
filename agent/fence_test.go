package agent_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const once = "[Service]\nExecStart=/bin/db\nRestart=always\n[X-Test]\nStopSec=infinity\n[X-Fleet]\nAtMostOnce=yes\n"

// guards is a fence without a store: it guards the session that it is told of.
type guards struct {
	mu      sync.Mutex
	session cluster.Session
	told    cluster.Fence
}

var times = cluster.Fence{TTL: 10, Renewal: 2, Watchdog: 5, Kill: 2}

func (g *guards) set(s cluster.Session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.session = s
}

func (g *guards) heard() cluster.Fence {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.told
}

func (g *guards) program() systemdtest.FenceProgram {
	return systemdtest.FenceProgram{
		Run: func(ctx context.Context, p *systemdtest.FenceProcess) error {
			for {
				g.mu.Lock()
				session := g.session
				g.mu.Unlock()
				if !session.IsZero() {
					raw, err := json.Marshal(agent.Guard{Life: p.Life(), Session: session, Times: times})
					if err != nil {
						return err
					}
					_ = p.Revoke(session.String())
					_ = p.Announce(raw)
					_ = p.Notify("READY=1")
					<-ctx.Done()
					return nil
				}
				select {
				case <-time.After(100 * time.Millisecond):
				case <-ctx.Done():
					return nil
				}
			}
		},
		Post: func(_ context.Context, p *systemdtest.FenceProcess, _ string) error {
			_ = p.Announce(nil)
			time.Sleep(time.Second)
			_ = p.Revoke("")
			return p.Kill(false)
		},
	}
}

// playFenced is play on a host with a fence that guards the session.
func playFenced(t *testing.T, test func(m *machine, s *session, g *guards)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		g := &guards{}
		m := &machine{t: t, host: systemdtest.NewHost(), stateFile: filepath.Join(dir, "agent.json")}
		m.host.InstallFence(g.program(), time.Hour)
		m.guard = func() (said agent.Guard) {
			_ = json.Unmarshal(m.host.FenceSays(), &said)
			return said
		}
		m.guarded = func(f cluster.Fence) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.told = f
		}
		m.boot()
		s := newSession(1)
		g.set(s.id)
		m.serve(s)
		settle()
		test(m, s, g)
		_ = m.endSession()
		m.kill()
		m.host.Crash()
	})
}

func (s *session) orderOnce(name unit.Name, generation, number int64) {
	id := s.put(once)
	s.edit(func(units map[unit.Name]cluster.Order) {
		units[name] = cluster.Order{Content: id, Desired: cluster.Launched, Generation: generation, Fence: number}
	})
}

func TestAUnitThatItsFenceHasEndedIsStartedAgain(t *testing.T) {
	playFenced(t, func(m *machine, s *session, g *guards) {
		if g.heard() != times {
			m.t.Errorf("the machine tells %+v of its fence", g.heard())
		}
		s.orderOnce(web, 5, 90)
		settle()
		if u := s.last().Units[web]; u.Active != "active" || u.Generation != 5 {
			m.t.Fatalf("report: %+v", u)
		}
		m.host.KillFence()
		time.Sleep(100 * time.Millisecond)
		if g.heard() != (cluster.Fence{}) {
			m.t.Errorf("without a fence the machine tells %+v of it", g.heard())
		}
		time.Sleep(5 * time.Second)
		if u := s.last().Units[web]; u.Active != "active" || lives(m.host, web) != 2 {
			m.t.Errorf("after its fence died: %d lives, %+v", lives(m.host, web), u)
		}
		// What ends of itself is not started again, now or when the next fence dies.
		s.edit(func(units map[unit.Name]cluster.Order) {
			o := units[web]
			o.Desired, o.Generation = cluster.Loaded, 6
			units[web] = o
		})
		time.Sleep(time.Second)
		m.host.KillFence()
		time.Sleep(5 * time.Second)
		if lives(m.host, web) != 2 {
			m.t.Errorf("a unit that is to be loaded was started: %+v", m.host.Runs())
		}
	})
}

func TestAFenceThatSomebodyHasStoppedIsStartedAgain(t *testing.T) {
	playFenced(t, func(m *machine, s *session, g *guards) {
		s.orderOnce(web, 5, 90)
		settle()
		for range 3 {
			m.host.StopFence()
			time.Sleep(time.Second)
			if u := s.last().Units[web]; u.Active != "active" || g.heard() != times {
				m.t.Errorf("report: %+v, guarded %+v", u, g.heard())
			}
		}
		_ = m.endSession()
		m.host.StopFence()
		time.Sleep(time.Minute)
		if m.host.FenceActive() {
			m.t.Error("the fence was started without a session")
		}
	})
}

func TestWhileFleetdIsAwayAFenceThatDiesIsNoticed(t *testing.T) {
	playFenced(t, func(m *machine, s *session, g *guards) {
		s.orderOnce(web, 5, 90)
		settle()
		_ = m.endSession()
		m.kill()
		m.host.KillFence()
		time.Sleep(10 * time.Second)
		if running := m.host.Running(); len(running) > 0 {
			m.t.Errorf("running without an agent: %v", running)
		}
		m.boot()
		m.serve(s)
		settle()
		if u := s.last().Units[web]; u.Active != "active" {
			m.t.Errorf("report: %+v", u)
		}
	})
}

func TestNothingIsStartedUnderAFenceOfAnotherSession(t *testing.T) {
	playFenced(t, func(m *machine, s *session, g *guards) {
		_ = m.endSession()
		next := newSession(2)
		m.serve(next)
		settle()
		if g.heard() != (cluster.Fence{}) {
			m.t.Errorf("the machine tells %+v of the fence of another session", g.heard())
		}
		next.orderOnce(web, 7, 100)
		time.Sleep(time.Minute)
		u := next.last().Units[web]
		if u.Active == "active" || !strings.Contains(u.Error, "fleet-fence.service") {
			m.t.Errorf("report: %+v", u)
		}
		g.set(next.id)
		m.host.KillFence()
		time.Sleep(5 * time.Second)
		if u := next.last().Units[web]; u.Active != "active" || u.Error != "" || g.heard() != times {
			m.t.Errorf("report: %+v, guarded %+v", u, g.heard())
		}
	})
}

func TestAnOrderOfAnEngineThatDoesNotFenceIsRefused(t *testing.T) {
	playFenced(t, func(m *machine, s *session, _ *guards) {
		s.order(web, once, cluster.Launched, 5)
		settle()
		if u := s.last().Units[web]; u.Active == "active" || !strings.Contains(u.Error, "upgrade fleetd") {
			m.t.Errorf("report: %+v", u)
		}
	})
}
