package agent_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const web = unit.Name("web.service")

func TestAUnitIsStartedAndReported(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		if first := s.last(); first.Session != s.id || first.Orders != 0 || len(first.Units) != 0 {
			t.Errorf("first report: %+v", first)
		}
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		r := s.last()
		u := r.Units[web]
		if r.Orders != 1 || u.Active != "active" || u.Generation != 5 || u.Tried != 5 || u.Job != unit.JobDone || u.Error != "" {
			t.Errorf("report %+v", r)
		}
		if u.Content != unit.IDOf([]byte(sleeper)) {
			t.Errorf("content %q", u.Content)
		}
		s.drop(web)
		settle()
		if r := s.last(); r.Orders != 2 || len(r.Units) != 0 {
			t.Errorf("after it was dropped: %+v", r)
		}
		if running := m.host.Running(); len(running) > 0 {
			t.Errorf("still running: %v", running)
		}
	})
}

func TestOrdersAreAcknowledgedEvenIfNothingElseChanges(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.edit(func(map[unit.Name]cluster.Order) {})
		settle()
		if got := s.last().Orders; got != 1 {
			t.Errorf("acknowledged %d, want 1", got)
		}
	})
}

func TestAFailingUnitIsReportedWithItsLogAndHoldsUpNobody(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order("a-bad.service", failing, cluster.Launched, 5)
		s.order("b-slow.service", slow, cluster.Launched, 6)
		s.order("c-good.service", sleeper, cluster.Launched, 7)
		s.order("d-missing.service", oneshot, cluster.Launched, 8)
		settle()
		r := s.last()
		bad := r.Units["a-bad.service"]
		if bad.Active != "failed" || bad.Job != "failed" || bad.Generation != 5 || !slices.Contains(bad.Log, "it hurts") {
			t.Errorf("bad: %+v", bad)
		}
		if u := r.Units["b-slow.service"]; u.Active != "activating" || u.Tried != 6 || u.Generation != 0 {
			t.Errorf("slow: %+v", u)
		}
		if u := r.Units["c-good.service"]; u.Active != "active" {
			t.Errorf("good: %+v", u)
		}
		for _, r := range s.history() {
			if u := r.Units["a-bad.service"]; u.Active == "failed" && len(u.Log) == 0 {
				t.Error("the failure was reported without its log")
			}
		}
		time.Sleep(10 * time.Second)
		settle()
		if u := s.last().Units["b-slow.service"]; u.Active != "active" || u.Generation != 6 {
			t.Errorf("slow after its 10 s: %+v", u)
		}
		if n := lives(m.host, "a-bad.service"); n != 1 {
			t.Errorf("the failed unit was started %d times, want once", n)
		}
		s.order("a-bad.service", sleeper, cluster.Launched, 9)
		settle()
		if u := s.last().Units["a-bad.service"]; u.Active != "active" || u.Log != nil {
			t.Errorf("bad after it was mended: %+v", u)
		}
	})
}

func TestAFileThatSystemdCannotUseIsReportedWithWhatSystemdSays(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		for i, why := range []string{"no ExecStart=", "still no ExecStart="} {
			s.order("bad.service", "[Service]\nType=simple\n[X-Test]\nLog="+why+"\n", cluster.Launched, int64(5+i))
			settle()
			if u := s.last().Units["bad.service"]; u.Load != "bad-setting" || !slices.Contains(u.Log, why) {
				t.Errorf("reported: %+v", u)
			}
		}
	})
}

// mute is a journal that takes its time.
type mute struct{ agent.Systemd }

func (m mute) Logs(ctx context.Context, n unit.Name, lines int) ([]string, error) {
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return m.Systemd.Logs(ctx, n, lines)
}

// Whoever waits for a unit to leave would take it for a failure to leave.
func TestOrdersAreNotAcknowledgedWithAnErrorFromBeforeThem(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := &machine{t: t, host: systemdtest.NewHost(), stateFile: filepath.Join(dir, "agent.json")}
		m.wrap = func(sd agent.Systemd) agent.Systemd { return mute{sd} }
		m.boot()
		s := newSession(1)
		m.serve(s)
		settle()
		s.order("bad.service", "[Service]\nType=simple\n[X-Test]\nLog=no ExecStart=\n", cluster.Launched, 5)
		time.Sleep(3 * time.Second)
		settle()
		if u := s.last().Units["bad.service"]; u.Error == "" || len(u.Log) == 0 {
			t.Fatalf("reported: %+v", u)
		}
		s.drop("bad.service")
		time.Sleep(3 * time.Second)
		settle()
		for _, r := range s.history() {
			if u := r.Units["bad.service"]; r.Orders >= 2 && (u.Error != "" || u.Tried != 0) {
				t.Errorf("orders 2 are acknowledged with what came of orders 1: %+v", u)
			}
		}
		if r := s.last(); r.Orders != 2 || len(r.Units) != 0 {
			t.Errorf("dropped: %+v", r)
		}
	})
}

func TestWhatCannotBeDoneIsTriedAgainAndSaid(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		m.host.AddHostUnit("ssh.service", "/lib/systemd/system/ssh.service")
		m.host.FillDisk(true)
		s.order(web, sleeper, cluster.Launched, 5)
		s.order("ssh.service", sleeper, cluster.Launched, 6)
		s.edit(func(units map[unit.Name]cluster.Order) {
			units["lost.service"] = cluster.Order{Content: unit.IDOf([]byte(oneshot)), Desired: cluster.Launched, Generation: 7}
		})
		settle()
		r := s.last()
		for name, want := range map[unit.Name]string{
			web: "no space left", "ssh.service": "unit of the host", "lost.service": "not found",
		} {
			u := r.Units[name]
			if !strings.Contains(u.Error, want) || u.Tried == 0 || u.Generation != 0 {
				t.Errorf("%s: %+v, want error with %q", name, u, want)
			}
		}
		m.host.FillDisk(false)
		s.put(oneshot)
		time.Sleep(5 * time.Second)
		settle()
		r = s.last()
		if u := r.Units[web]; u.Active != "active" || u.Generation != 5 || u.Error != "" {
			t.Errorf("web after the disk was emptied: %+v", u)
		}
		if u := r.Units["lost.service"]; u.Generation != 7 || u.Error != "" {
			t.Errorf("lost after its file was found: %+v", u)
		}

		// A day of a unit that cannot be loaded is not a day of work.
		before := s.count()
		fetches := s.fetched()
		time.Sleep(24 * time.Hour)
		if n := s.count() - before; n > 0 {
			t.Errorf("%d reports in a day in which nothing happened", n)
		}
		if n := s.fetched() - fetches; n > 24*60+10 {
			t.Errorf("%d attempts in a day", n)
		}
	})
}

func TestABadUnitFileIsReportedAndCanBeReplaced(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, "[Service]\nType=simple\n", cluster.Launched, 5)
		s.order("good.service", sleeper, cluster.Launched, 6)
		settle()
		if u := s.last().Units[web]; !strings.Contains(u.Error, "bad-setting") || u.Generation != 0 {
			t.Errorf("bad file: %+v", u)
		}
		if u := s.last().Units["good.service"]; u.Active != "active" {
			t.Errorf("good beside it: %+v", u)
		}
		s.order(web, sleeper, cluster.Launched, 7)
		settle()
		if u := s.last().Units[web]; u.Active != "active" || u.Error != "" {
			t.Errorf("replaced: %+v", u)
		}
		s.order(web, "[Service]\nType=simple\n", cluster.Launched, 8)
		settle()
		s.drop(web)
		settle()
		if u, there := s.last().Units[web]; there {
			t.Errorf("dropped: %+v", u)
		}
	})
}

func TestARestartedAgentAdoptsWhatRuns(t *testing.T) {
	for _, memory := range []string{"kept", "lost", "garbage", "of another boot"} {
		t.Run(memory, func(t *testing.T) {
			play(t, func(t *testing.T, m *machine, s *session) {
				for i := range int64(20) {
					s.restart(unit.Name(fmt.Sprintf("w%d.service", i)), sleeper, cluster.Launched, 50+i, 30+i)
				}
				s.order("idle.service", sleeper, cluster.Loaded, 80)
				s.order("failed.service", failing, cluster.Launched, 81)
				settle()
				before := m.host.Runs()
				m.kill()
				switch memory {
				case "lost":
					_ = os.Remove(m.stateFile)
				case "garbage":
					_ = os.WriteFile(m.stateFile, []byte("{\"units\":"), 0o600)
				case "of another boot":
					raw, _ := os.ReadFile(m.stateFile)
					_ = os.WriteFile(m.stateFile, []byte(strings.Replace(string(raw), `"b1"`, `"b0"`, 1)), 0o600)
				}
				m.boot()
				next := newSession(2)
				m.serve(next)
				settle()
				if n := len(next.last().Units); n != 22 {
					t.Errorf("the first report shows %d units, want 22", n)
				}
				next.inherit(s)
				next.order("w0.service", sleeper, cluster.Launched, 99)
				settle()
				after := m.host.Runs()
				if memory != "kept" { // what failed is not remembered to have been started
					after = slices.DeleteFunc(after, func(r systemdtest.Run) bool { return r.Unit == "failed.service" })
					before = slices.DeleteFunc(before, func(r systemdtest.Run) bool { return r.Unit == "failed.service" })
				}
				if !slices.Equal(before, after) {
					t.Errorf("units were touched:\nbefore %v\nafter  %v", before, after)
				}
				if u := next.last().Units["w0.service"]; u.Generation != 99 {
					t.Errorf("w0: %+v", u)
				}
				if u := next.last().Units["w1.service"]; u.Generation != 51 || u.Error != "" {
					t.Errorf("w1: %+v", u)
				}
			})
		})
	}
}

func TestARestartIsCarriedOutOnceAcrossKills(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sturdy, cluster.Launched, 5)
		settle()
		s.restart(web, sturdy, cluster.Launched, 6, 6)
		for range 4 { // it stops for 20 s
			time.Sleep(time.Second)
			m.kill()
			m.boot()
			next := newSession(s.id.Lease + 1)
			m.serve(next)
			next.inherit(s)
			s = next
		}
		time.Sleep(30 * time.Second)
		settle()
		if n := lives(m.host, web); n != 2 {
			t.Errorf("%d lives, want 2", n)
		}
		if u := s.last().Units[web]; u.Generation != 6 || u.Active != "active" {
			t.Errorf("%+v", u)
		}
		s.restart(web, sturdy, cluster.Launched, 7, 7)
		time.Sleep(30 * time.Second)
		if n := lives(m.host, web); n != 3 {
			t.Errorf("%d lives after another restart, want 3", n)
		}
	})
}

func TestSixtyUnitsAtOnceTakeFewReloads(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.onFile(func(ctx context.Context, _ unit.ContentID) error { time.Sleep(3 * time.Millisecond); return nil })
		for i := range 60 {
			s.put(text(i))
		}
		s.edit(func(units map[unit.Name]cluster.Order) {
			for i := range 60 {
				units[unit.Name(fmt.Sprintf("w%d.service", i))] = cluster.Order{
					Content: unit.IDOf([]byte(text(i))), Desired: cluster.Launched, Generation: 5,
				}
			}
		})
		settle()
		if n := len(m.host.Running()); n != 60 {
			t.Fatalf("%d of 60 run", n)
		}
		if n := m.host.Reloads(); n > 2 {
			t.Errorf("%d reloads for 60 starts", n)
		}
		before := m.host.Reloads()
		s.edit(func(units map[unit.Name]cluster.Order) { clear(units) })
		settle()
		if n := len(s.last().Units); n != 0 {
			t.Errorf("%d of 60 are left", n)
		}
		if n := m.host.Reloads() - before; n > 2 {
			t.Errorf("%d reloads for 60 removals", n)
		}
	})
}

func text(i int) string { return fmt.Sprintf("# %d\n%s", i, sleeper) }

func TestUnitsWithTheSameFileShareOneFetch(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.onFile(func(ctx context.Context, _ unit.ContentID) error { time.Sleep(10 * time.Millisecond); return nil })
		id := s.put(sleeper)
		s.edit(func(units map[unit.Name]cluster.Order) {
			for i := range 30 {
				units[unit.Name(fmt.Sprintf("web@%d.service", i))] = cluster.Order{Content: id, Desired: cluster.Launched, Generation: 5}
			}
		})
		settle()
		if n := len(m.host.Running()); n != 30 || s.fetched() != 1 {
			t.Errorf("%d of 30 run after %d fetches, want one", n, s.fetched())
		}
	})
}

func TestAFetchThatHangsHoldsUpNobody(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.onFile(func(ctx context.Context, _ unit.ContentID) error { <-ctx.Done(); return ctx.Err() })
		s.order("hangs.service", sturdy, cluster.Launched, 5)
		settle()
		s.onFile(nil)
		s.order(web, sleeper, cluster.Launched, 6)
		settle()
		if u := s.last().Units[web]; u.Active != "active" {
			t.Errorf("web: %+v", u)
		}
		time.Sleep(time.Minute)
		if u := s.last().Units["hangs.service"]; u.Active != "active" {
			t.Errorf("after it was tried again: %+v", u)
		}
	})
}

func TestReportsAreCoalescedAndIdleWritesNothing(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		before := s.count()
		time.Sleep(24 * time.Hour)
		if n := s.count() - before; n > 0 {
			t.Errorf("%d reports while idle", n)
		}
		s.order("flap.service", "[Service]\nExecStart=/bin/sleep 1ms\nRestart=always\nRestartSec=1ms\n", cluster.Launched, 6)
		time.Sleep(10 * time.Second)
		n := s.count() - before
		if n < 20 || n > 10*20+1 {
			t.Errorf("%d reports in 10 s of a unit that never rests, want about 20 a second", n)
		}
		reports := s.history()
		for i := before + 1; i < len(reports); i++ {
			if pause := reports[i].At.Sub(reports[i-1].At); pause < 50*time.Millisecond {
				t.Errorf("a report after %v", pause)
			}
		}
	})
}

func TestTheFirstChangeIsReportedAtOnce(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		died := time.Now()
		if err := m.host.Kill(web); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r := s.last()
		if u := r.Units[web]; u.Active != "failed" || !r.At.Equal(died) {
			t.Errorf("%+v, %v after it died", u, r.At.Sub(died))
		}
	})
}

func TestASessionThatEndsLeavesEverythingRunning(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.stateFile = dir + "/agent.json"
		m.boot()
		s := newSession(1)
		end := m.serve(s)
		s.order(web, sleeper, cluster.Launched, 5)
		s.order("late.service", slow, cluster.Launched, 6)
		settle()
		before := m.host.Runs()
		if err := end(); err != nil {
			t.Errorf("Serve: %v", err)
		}
		time.Sleep(time.Hour)
		next := newSession(2)
		m.serve(next)
		settle()
		// The engine has not yet spoken to this session; the old orders are nobody's.
		next.mu.Lock()
		next.orders = cluster.Orders{Machine: "m1", Session: s.id, Revision: 1}
		next.mu.Unlock()
		time.Sleep(time.Hour)
		if !slices.Equal(before, m.host.Runs()) {
			t.Errorf("units were touched: %v, then %v", before, m.host.Runs())
		}
		r := next.last()
		if r.Session != next.id || r.Orders != 0 || len(r.Units) != 2 || r.Units[web].Generation != 5 {
			t.Errorf("report to the new session: %+v", r)
		}
		next.inherit(s)
		next.drop("late.service")
		settle()
		if got := m.host.Running(); !slices.Equal(got, []unit.Name{web}) {
			t.Errorf("running: %v", got)
		}
		if u := next.last().Units[web]; u.Generation != 5 || lives(m.host, web) != 1 {
			t.Errorf("web: %+v", u)
		}
	})
}

func TestMissingOrdersStopNothing(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		s.mu.Lock()
		s.orders = cluster.Orders{Revision: 100}
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		settle()
		if r := s.last(); r.Orders != 0 || r.Units[web].Active != "active" {
			t.Errorf("without orders: %+v", r)
		}
	})
}

func TestDestroyedWhileItStopsAndSubmittedAnew(t *testing.T) {
	for _, text := range []string{sturdy, sleeper} {
		play(t, func(t *testing.T, m *machine, s *session) {
			s.order(web, sturdy, cluster.Launched, 5)
			settle()
			s.drop(web)
			time.Sleep(5 * time.Second)
			if u := s.last().Units[web]; u.Active != "deactivating" || u.Content == "" {
				t.Errorf("while it stops: %+v", u)
			}
			s.order(web, text, cluster.Launched, 9)
			time.Sleep(5 * time.Second)
			if n := lives(m.host, web); n != 1 {
				t.Errorf("started before it was gone")
			}
			time.Sleep(15 * time.Second)
			runs := m.host.Runs()
			if len(runs) != 2 || runs[1].Start.Before(runs[0].End) || runs[1].Content != unit.IDOf([]byte(text)) {
				t.Errorf("lives: %+v", runs)
			}
			if u := s.last().Units[web]; u.Generation != 9 || u.Active != "active" {
				t.Errorf("%+v", u)
			}
		})
	}
}

func TestChangedContentStopsThenStarts(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sturdy, cluster.Launched, 5)
		settle()
		s.order(web, sleeper, cluster.Launched, 6)
		time.Sleep(21 * time.Second)
		runs := m.host.Runs()
		if len(runs) != 2 || runs[1].Start.Before(runs[0].End) || runs[1].Content != unit.IDOf([]byte(sleeper)) {
			t.Errorf("lives: %+v", runs)
		}
	})
}

func TestAJobThatLastsForeverDoesNotStandInTheWay(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, lengthy, cluster.Launched, 5)
		time.Sleep(time.Hour)
		if u := s.last().Units[web]; u.Active != "activating" || u.Generation != 0 {
			t.Errorf("%+v", u)
		}
		s.drop(web)
		settle()
		if u, there := s.last().Units[web]; there {
			t.Errorf("dropped: %+v", u)
		}
	})
}

func TestALostBusEndsNothing(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		m.host.CutBus()
		s.order("b.service", sleeper, cluster.Launched, 6)
		s.drop(web)
		time.Sleep(10 * time.Minute)
		if got := m.host.Running(); !slices.Equal(got, []unit.Name{web}) {
			t.Errorf("running: %v", got)
		}
		m.host.HealBus()
		time.Sleep(time.Minute)
		if got := m.host.Running(); !slices.Equal(got, []unit.Name{"b.service"}) {
			t.Errorf("running after the bus is back: %v", got)
		}
		if r := s.last(); r.Units["b.service"].Error != "" || len(r.Units) != 1 {
			t.Errorf("report: %+v", r)
		}
	})
}

func TestNothingBeginsAfterItsSessionEndedWhileTheBusWasLost(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.stateFile = dir + "/agent.json"
		m.boot()
		s := newSession(1)
		end := m.serve(s)
		s.order("stays.service", sleeper, cluster.Launched, 4)
		s.order(web, sleeper, cluster.Loaded, 5)
		settle()
		m.host.CutBus()
		s.order(web, sleeper, cluster.Launched, 6)
		s.drop("stays.service")
		settle()
		_ = end()
		m.host.HealBus()
		time.Sleep(time.Hour)
		if got := m.host.Running(); !slices.Equal(got, []unit.Name{"stays.service"}) {
			t.Errorf("running: %v", got)
		}
	})
}

// wedged is a systemd that never answers a start of one unit.
type wedged struct {
	agent.Systemd
	name unit.Name
}

func (w wedged) Start(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	if n == w.name {
		<-ctx.Done()
		return "", ctx.Err()
	}
	return w.Systemd.Start(ctx, n)
}

func TestACallThatIsNeverAnsweredHoldsUpNobody(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.stateFile = dir + "/agent.json"
		m.wrap = func(sd agent.Systemd) agent.Systemd { return wedged{sd, "a.service"} }
		m.boot()
		s := newSession(1)
		m.serve(s)
		s.order("a.service", sleeper, cluster.Launched, 5)
		settle()
		for i := range 10 {
			s.order(unit.Name(fmt.Sprintf("w%d.service", i)), sleeper, cluster.Launched, 6)
		}
		settle()
		if n := len(m.host.Running()); n != 10 {
			t.Errorf("%d of 10 run", n)
		}
		s.drop("a.service")
		settle()
		if u, there := s.last().Units["a.service"]; there {
			t.Errorf("dropped: %+v", u)
		}
	})
}

func TestAReportThatFailsIsWrittenLater(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.onReport(func() error { return cluster.ErrUnavailable })
		s.order(web, sleeper, cluster.Launched, 5)
		time.Sleep(10 * time.Minute)
		s.onReport(nil)
		time.Sleep(10 * time.Second)
		if u := s.last().Units[web]; u.Active != "active" || u.Generation != 5 {
			t.Errorf("%+v", u)
		}
	})
}

func TestALostSessionEndsServe(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t)
		m.stateFile = dir + "/agent.json"
		m.boot()
		s := newSession(1)
		s.onReport(func() error { return fmt.Errorf("report: %w", cluster.ErrSessionLost) })
		if err := m.agent.Serve(t.Context(), s); !errors.Is(err, cluster.ErrSessionLost) {
			t.Errorf("Serve = %v", err)
		}
		s.onReport(nil)
		m.serve(s)
		settle()
		if s.count() != 1 {
			t.Errorf("%d reports", s.count())
		}
		if err := m.agent.Serve(t.Context(), newSession(2)); err == nil {
			t.Error("two sessions at one time")
		}
	})
}

func TestATypeOfEachKindIsStartedAndStopped(t *testing.T) {
	units := map[unit.Name]string{
		"a.service": sleeper,
		"a.socket":  "[Socket]\nListenStream=/run/a.sock\n",
		"a.timer":   "[Timer]\nOnActiveSec=1h\n",
		"a.path":    "[Path]\nPathExists=/run/a\n",
		"a.target":  "[Unit]\nDescription=a\n",
		"b.service": oneshot,
	}
	play(t, func(t *testing.T, m *machine, s *session) {
		generation := int64(5)
		for name, text := range units {
			s.order(name, text, cluster.Launched, generation)
			generation++
		}
		settle()
		for name := range units {
			want := "active"
			if name == "b.service" {
				want = "inactive"
			}
			if u := s.last().Units[name]; u.Active != want || u.Generation < 5 || u.Error != "" {
				t.Errorf("%s: %+v", name, u)
			}
		}
		s.edit(func(orders map[unit.Name]cluster.Order) { clear(orders) })
		settle()
		if n := len(s.last().Units); n != 0 || len(m.host.Running()) != 0 {
			t.Errorf("%d are left, running %v", n, m.host.Running())
		}
	})
}

func TestAPowerLossIsSeenAsNothingRunning(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		s.order(web, sleeper, cluster.Launched, 5)
		settle()
		m.kill()
		m.host.Crash()
		_ = os.Remove(m.stateFile) // it lies in /run
		m.boot()
		next := newSession(2)
		m.serve(next)
		settle()
		if r := next.last(); len(r.Units) != 0 {
			t.Errorf("first report after the boot: %+v", r)
		}
		next.inherit(s)
		settle()
		if got := m.host.Running(); !slices.Equal(got, []unit.Name{web}) {
			t.Errorf("running: %v", got)
		}
	})
}

// hold keeps that file from whoever asks for it, until it is released.
func (s *session) hold(text string) (release func()) {
	held := make(chan struct{})
	file := s.put(text)
	s.onFile(func(_ context.Context, id unit.ContentID) error {
		if id == file {
			<-held
		}
		return nil
	})
	return func() { close(held) }
}

// systemd refuses to start a timer whose service it does not know.
func TestATimerIsStartedWhenWhatItTriggersHasBeenLoaded(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		release := s.hold(sleeper)
		s.order("tick.service", sleeper, cluster.Loaded, 5)
		s.order("tick.timer", "[Timer]\nOnBootSec=1s\n", cluster.Launched, 6)
		s.order("tock.timer", "[Timer]\nOnBootSec=1s\n", cluster.Launched, 7)
		settle()
		if running := m.host.Running(); !slices.Equal(running, []unit.Name{"tock.timer"}) {
			t.Errorf("before the service is loaded: %q run", running)
		}
		release()
		settle()
		if running := m.host.Running(); !slices.Equal(running, []unit.Name{"tick.timer", "tock.timer"}) {
			t.Errorf("after it: %q run", running)
		}
	})
}

func TestATimerThatWaitsForItsServiceIsNoLongerStartedWhenNobodyWantsIt(t *testing.T) {
	play(t, func(t *testing.T, m *machine, s *session) {
		release := s.hold(sleeper)
		s.order("tick.service", sleeper, cluster.Loaded, 5)
		s.order("tick.timer", "[Timer]\nOnBootSec=1s\n", cluster.Launched, 6)
		settle()
		s.drop("tick.timer")
		settle()
		if files := m.host.Running(); len(files) != 0 || lives(m.host, "tick.timer") != 0 {
			t.Errorf("%q run", files)
		}
		release()
		settle()
		if lives(m.host, "tick.timer") != 0 {
			t.Error("it was started after all")
		}
	})
}
