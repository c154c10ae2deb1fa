package systemdtest

import (
	"context"
	"testing"
	"time"

	"fleet/unit"
)

func TestNothingHappensOnASuspendedHost(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", "[Service]\nExecStart=/bin/sleep 10\n")
		runJob(t, m.Start, "a.service", unit.JobDone)
		h.Suspend()
		time.AfterFunc(time.Minute, h.Resume)
		at := time.Now()
		st := state(t, m, "a.service")
		if time.Since(at) != time.Minute {
			t.Errorf("a call ended after %s", time.Since(at))
		}
		if naps := h.Naps(); len(naps) != 1 || naps[0].End.Sub(naps[0].Start) != time.Minute {
			t.Errorf("it was suspended %v", naps)
		}
		if r := h.Runs(); !r[0].End.Equal(h.Naps()[0].End) || st.Active != "inactive" {
			t.Errorf("what was due during the suspension was done at %s, the unit is %+v", r[0].End, st)
		}
	})
}

func TestAPausedProcessAsksNothingOfSystemd(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", sleeper)
		m.Pause()
		time.AfterFunc(time.Minute, m.Continue)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		at := time.Now()
		if _, err := m.Start(ctx, "a.service"); err == nil || time.Since(at) != time.Minute || len(h.Runs()) != 0 {
			t.Errorf("a paused process started a unit after %s: %v", time.Since(at), err)
		}
		runJob(t, m.Start, "a.service", unit.JobDone)
	})
}

func TestAStoppedUnitIsKilledWhenPatienceEnds(t *testing.T) {
	bubble(t, func(t *testing.T, h *Host) {
		m := connect(t, h)
		load(t, m, "a.service", "[Service]\nExecStart=/bin/app\nTimeoutStopSec=7s\n[X-Test]\nStopSec=1h\n")
		runJob(t, m.Start, "a.service", unit.JobDone)
		at := time.Now()
		runJob(t, m.Stop, "a.service", unit.JobDone)
		if took := time.Since(at); took != 7*time.Second {
			t.Errorf("the stop took %s", took)
		}
	})
}
