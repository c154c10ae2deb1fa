package systemdtest

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"fleet/systemd"
	"fleet/unit"
)

// connect runs a connection to the host for as long as the test.
func connect(t *testing.T, h *Host) *Manager {
	t.Helper()
	m := h.Manager()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return m
}

func bubble(t *testing.T, test func(t *testing.T, h *Host)) {
	synctest.Test(t, func(t *testing.T) { test(t, NewHost()) })
}

func TestContract(t *testing.T) {
	Contract(t, func(t *testing.T, test func(*testing.T, Subject)) {
		bubble(t, func(t *testing.T, h *Host) {
			h.AddHostUnit("dbus.service", "/lib/systemd/system/dbus.service")
			h.AddHostUnit("getty@.service", "/lib/systemd/system/getty@.service")
			test(t, Subject{Systemd: connect(t, h), HostUnit: "dbus.service", HostInstance: "getty@tty9.service", Mounts: true})
		})
	})
}

func TestRunsAreRecorded(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		text := "[Service]\nExecStart=/bin/app\n[X-Test]\nStartSec=10s\nStopSec=5s\n"
		load(t, m, "a.service", text)
		began := time.Now()
		runJob(t, m.Start, "a.service", unit.JobDone)
		time.Sleep(time.Minute)
		runJob(t, m.Stop, "a.service", unit.JobDone)
		runs := h.Runs()
		if len(runs) != 1 {
			t.Fatalf("runs: %+v", runs)
		}
		r := runs[0]
		if r.Unit != "a.service" || r.Content != unit.IDOf([]byte(text)) || r.Result != "success" ||
			!r.Start.Equal(began) || r.End.Sub(r.Start) != 75*time.Second {
			t.Errorf("run: %+v", r)
		}
	})
}

func TestCrash(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", sleeper)
		load(t, m, "slow.service", sleeper+"[X-Test]\nStartSec=1h\n")
		runJob(t, m.Start, "a.service", unit.JobDone)
		slow := make(chan error, 1)
		go func() {
			_, err := m.Start(t.Context(), "slow.service")
			slow <- err
		}()
		synctest.Wait()
		h.Crash()
		if err := <-slow; !errors.Is(err, systemd.ErrConnection) {
			t.Errorf("job during the crash: %v", err)
		}
		if r := h.Running(); len(r) > 0 {
			t.Errorf("running after the crash: %v", r)
		}
		for _, r := range h.Runs() {
			if r.Result != "power-loss" || r.End.IsZero() {
				t.Errorf("run: %+v", r)
			}
		}
		again := connect(t, h)
		if files, err := again.Files(t.Context()); err != nil || len(files) > 0 {
			t.Errorf("files after the crash: %v, %v", files, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := m.States(ctx, nil); !errors.Is(err, systemd.ErrConnection) {
			t.Errorf("a connection of before the crash: %v", err)
		}
	})
}

func TestAgentRestart(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		ctx, cancel := context.WithCancel(t.Context())
		first := h.Manager()
		ended := make(chan error, 1)
		go func() { ended <- first.Run(ctx) }()
		load(t, first, "a.service", sleeper)
		runJob(t, first.Start, "a.service", unit.JobDone)
		before := state(t, first, "a.service")
		cancel()
		<-ended
		second := connect(t, h)
		if _, all, err := second.Wait(t.Context()); err != nil || !all {
			t.Errorf("first Wait: all=%v, %v", all, err)
		}
		if after := state(t, second, "a.service"); after != before {
			t.Errorf("state %+v, before %+v", after, before)
		}
	})
}

func TestCutBus(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", sleeper+"[X-Test]\nStartSec=10s\n")
		lost := make(chan error, 1)
		go func() {
			_, err := m.Start(t.Context(), "a.service")
			lost <- err
		}()
		synctest.Wait()
		h.CutBus()
		if err := <-lost; !errors.Is(err, systemd.ErrConnection) {
			t.Errorf("job at the cut: %v", err)
		}
		time.AfterFunc(time.Minute, h.HealBus)
		if st := state(t, m, "a.service"); st.Active != "active" {
			t.Errorf("the unit did not go on: %+v", st)
		}
		if _, all, err := m.Wait(t.Context()); err != nil || !all {
			t.Errorf("Wait after the cut: all=%v, %v", all, err)
		}
	})
}

func TestFullDisk(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		h.FillDisk(true)
		failed, err := m.Load(t.Context(), map[unit.Name][]byte{"a.service": []byte(sleeper)})
		if err != nil || !errors.Is(failed["a.service"], syscall.ENOSPC) {
			t.Errorf("Load = %v, %v", failed, err)
		}
		h.FillDisk(false)
		load(t, m, "a.service", sleeper)
	})
}

func TestKillAndRestart(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "plain.service", sleeper)
		load(t, m, "tough.service", sleeper+"Restart=always\nRestartSec=5s\n")
		for _, n := range []unit.Name{"plain.service", "tough.service"} {
			runJob(t, m.Start, n, unit.JobDone)
			if err := h.Kill(n); err != nil {
				t.Error(err)
			}
		}
		if st := state(t, m, "plain.service"); st.Active != "failed" || st.Result != "signal" {
			t.Errorf("killed: %+v", st)
		}
		if st := state(t, m, "tough.service"); st.Sub != "auto-restart" {
			t.Errorf("killed: %+v", st)
		}
		time.Sleep(6 * time.Second)
		if st := state(t, m, "tough.service"); st.Active != "active" || st.Restarts != 1 {
			t.Errorf("after RestartSec: %+v", st)
		}
		if err := h.Kill("plain.service"); err == nil {
			t.Error("a dead unit was killed")
		}
	})
}

func TestJobsReplaceEachOther(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", sleeper+"[X-Test]\nStartSec=10s\nStopSec=10s\n")
		first := make(chan unit.JobResult, 1)
		go func() {
			r, _ := m.Start(t.Context(), "a.service")
			first <- r
		}()
		synctest.Wait()
		runJob(t, m.Stop, "a.service", unit.JobDone)
		if r := <-first; r != "canceled" {
			t.Errorf("the replaced job ended %q", r)
		}
		if st := state(t, m, "a.service"); st.Active != "inactive" {
			t.Errorf("after stop: %+v", st)
		}
	})
}

func TestTrigger(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", sleeper)
		if err := h.Trigger("a.service"); err != nil {
			t.Fatal(err)
		}
		eventually(t, m, "a.service", func(st unit.State) bool { return st.Active == "active" })
		if h.Reloads() != 1 {
			t.Errorf("%d reloads", h.Reloads())
		}
	})
}

func TestProgramsBehaveAsInstalled(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		h.Install("/dies", Program{Ends: true, After: time.Second, Status: 3, Log: []string{"boom"}})
		h.Install("/slow", Program{Held: true})

		load(t, m, "dies.service", "[Service]\nExecStart=/dies\n")
		runJob(t, m.Start, "dies.service", unit.JobDone)
		st := eventually(t, m, "dies.service", func(st unit.State) bool { return st.Active == "failed" })
		logs, err := m.Logs(t.Context(), "dies.service", 10)
		if err != nil || st.ExitStatus != 3 || !slices.Contains(logs, "boom") {
			t.Errorf("exit status %d, log %q, %v", st.ExitStatus, logs, err)
		}

		load(t, m, "none.service", "[Unit]\nConditionPathExists=/none\n[Service]\nExecStart=/slow\n")
		runJob(t, m.Start, "none.service", unit.JobDone)
		if st := state(t, m, "none.service"); !st.Skipped || st.Running() {
			t.Errorf("a condition is not met: %+v", st)
		}
	})
}

// A restart of what is slow is two things to wait for.
func TestWhatIsHeldWaitsForItsRelease(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		h.Install("/slow", Program{Held: true})
		load(t, m, "slow.service", "[Unit]\nConditionPathExists=/slow\n[Service]\nExecStart=/slow\n")
		var ended []unit.JobResult
		background := func(do func(context.Context, unit.Name) (unit.JobResult, error)) {
			go func() {
				r, err := do(t.Context(), "slow.service")
				if err != nil {
					t.Error(err)
				}
				ended = append(ended, r)
			}()
		}
		background(m.Start)
		for i, want := range []string{"activating", "active", "deactivating", "activating", "active"} {
			time.Sleep(time.Hour)
			synctest.Wait()
			if st := state(t, m, "slow.service"); st.Active != want {
				t.Fatalf("step %d: %s, expected %s", i, st.Active, want)
			}
			h.Release("slow.service") // what runs is not ended by it
			synctest.Wait()
			if want == "active" && len(ended) == 1 {
				background(m.Restart)
			}
		}
		if len(ended) != 2 || ended[0] != unit.JobDone || ended[1] != unit.JobDone {
			t.Errorf("jobs ended %q", ended)
		}
	})
}
