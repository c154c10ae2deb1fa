package fence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/fleetd/fence"
	"fleet/unit"
)

// cut loses all renewals from now on.
func (w *world) cut() {
	w.fates(func(int) fate { return fate{lost: true} })
}

func (w *world) heal() {
	w.fates(func(int) fate { return fate{to: time.Millisecond, from: time.Millisecond} })
}

// goneInTime fails the test if a bound unit outlives the lease.
func (w *world) goneInTime(what string, lease int64, units ...unit.Name) {
	w.t.Helper()
	for _, n := range units {
		r := w.last(n)
		switch left := w.leaseEnds(lease).Sub(r.End); {
		case r.End.IsZero():
			w.t.Errorf("%s: %s has not ended", what, n)
		case left <= 0:
			w.t.Errorf("%s: %s ended %s after the lease", what, n, -left)
		}
	}
}

func TestWithoutRenewalsBoundUnitsAreGoneBeforeTheLease(t *testing.T) {
	guarded(t, func(w *world) {
		began := time.Now()
		w.cut()
		time.Sleep(2 * ttl)
		w.goneInTime("cut off", 1, bound, frozen, polite)
		if r := w.last(polite); r.Result != "success" {
			t.Errorf("a unit that stops when it is told to was not left the time to: %+v", r)
		}
		if r := w.last(frozen); r.End.Sub(began) > 8*time.Second {
			t.Errorf("the frozen unit was killed late: %+v", r)
		}
		times := fence.Times(ttl)
		if r := w.last(bound); r.End.Sub(began) < times.Renewal+times.Watchdog {
			t.Errorf("the unit was killed %s after the cut, sooner than it has to be", r.End.Sub(began))
		}
		// The next fence finds the lease ended, and waits.
		if w.host.FenceActive() {
			t.Error("a fence is active without a session")
		}
		w.heal()
		time.Sleep(ttl)
		if w.host.FenceActive() {
			t.Error("a fence is active with a lease that has ended")
		}
		w.begin(2)
		if r, err := w.sd.Start(w.t.Context(), bound); r == unit.JobDone || err != nil {
			t.Errorf("a unit was started without a permit of the new session: %s, %v", r, err)
		}
	})
}

func TestAShortCutIsNotNoticed(t *testing.T) {
	guarded(t, func(w *world) {
		runs := len(w.host.Runs())
		w.cut()
		time.Sleep(1900 * time.Millisecond)
		if w.host.Frozen(frozen) || w.host.Frozen(bound) {
			t.Error("frozen too soon")
		}
		time.Sleep(2 * time.Second)
		if !w.host.Frozen(frozen) || w.host.Frozen(bound) || w.host.Frozen(free) {
			t.Errorf("frozen: %t, %t, %t", w.host.Frozen(frozen), w.host.Frozen(bound), w.host.Frozen(free))
		}
		w.heal()
		time.Sleep(1100 * time.Millisecond)
		if w.host.Frozen(frozen) {
			t.Error("still frozen after a renewal")
		}
		time.Sleep(2 * ttl)
		if now := len(w.host.Runs()); now != runs {
			t.Errorf("units were started: %+v", w.host.Runs())
		}
		for _, n := range []unit.Name{bound, frozen, polite} {
			if r := w.last(n); !r.End.IsZero() {
				t.Errorf("%s has ended: %+v", n, r)
			}
		}
	})
}

func TestTheFenceThatStandsStillIsKilledWithItsUnits(t *testing.T) {
	guarded(t, func(w *world) {
		w.host.PauseFence()
		time.Sleep(2 * ttl)
		w.goneInTime("stopped", 1, bound, frozen, polite)
		if r := w.last(polite); r.Result != "success" {
			t.Errorf("a unit that stops when it is told to was not left the time to: %+v", r)
		}
	})
}

func TestTheFenceThatIsKilledComesBackAndGuardsTheSameSession(t *testing.T) {
	guarded(t, func(w *world) {
		began := time.Now()
		w.host.KillFence()
		time.Sleep(ttl / 2)
		w.goneInTime("killed", 1, bound, frozen, polite)
		if took := w.last(bound).End.Sub(began); took > 2100*time.Millisecond {
			t.Errorf("it took %s", took)
		}
		if !w.host.FenceActive() {
			t.Error("the fence is not back")
		}
		w.start(bound, endless+"[X-Fleet]\nAtMostOnce=yes\n")
	})
}

func TestAnotherSessionEndsTheFence(t *testing.T) {
	guarded(t, func(w *world) {
		w.begin(2) // the lease of the first is alive
		time.Sleep(ttl)
		w.goneInTime("replaced", 1, bound, frozen, polite)
		if !w.host.FenceActive() || !strings.Contains(string(w.host.FenceSays()), `"lease":2`) {
			t.Errorf("the fence says %s", w.host.FenceSays())
		}
		if !errors.Is(w.mu.ends[0], fence.ErrReplaced) {
			t.Errorf("the first fence ended with %v", w.mu.ends[0])
		}
	})
}

func TestALeaseThatIsGoneEndsUnitsAtOnce(t *testing.T) {
	guarded(t, func(w *world) {
		w.mu.Lock()
		w.mu.leases[1] = time.Now()
		w.mu.Unlock()
		began := time.Now()
		time.Sleep(ttl)
		for _, n := range []unit.Name{bound, frozen, polite} {
			if r := w.last(n); r.End.IsZero() || r.End.Sub(began) > 1100*time.Millisecond {
				t.Errorf("%s: %+v", n, r)
			}
		}
	})
}

func TestAFenceThatCannotGuardSaysWhy(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		w.mu.session = fence.Session{Session: cluster.Session{Lease: 1, BootID: "boot"}}
		ctx, cancel := context.WithTimeout(w.t.Context(), time.Second)
		defer cancel()
		_, _ = w.sd.Start(ctx, unit.FenceService)
		var wrong *fence.SetupError
		w.mu.Lock()
		defer w.mu.Unlock()
		if !errors.As(w.mu.ends[0], &wrong) || !strings.Contains(wrong.Error(), "WatchdogSec=") {
			t.Errorf("it ended with %v", w.mu.ends[0])
		}
	})
}

func TestTimesFitIntoEveryLease(t *testing.T) {
	for ttl := time.Second; ttl < 5*time.Minute; ttl += time.Second {
		if err := fence.Times(ttl).Check(); err != nil {
			t.Errorf("TTL %s: %v", ttl, err)
		}
	}
}

// A host that stood still as a whole, longer than its lease, ends what should be gone as soon as it goes on.
func TestAHostThatStoodStillGivesItsUnitsNoMoreTime(t *testing.T) {
	guarded(t, func(w *world) {
		w.host.Suspend()
		time.Sleep(time.Minute)
		w.host.Resume()
		on := time.Now()
		time.Sleep(ttl)
		for _, n := range []unit.Name{bound, frozen, polite} {
			if r := w.ended(n, on); r.Sub(on) > 100*time.Millisecond {
				w.t.Errorf("%s was there for another %s", n, r.Sub(on))
			}
		}
	})
}

// ended is when the run of a unit ended that had begun by then.
func (w *world) ended(n unit.Name, by time.Time) time.Time {
	var end time.Time
	for _, r := range w.host.Runs() {
		if r.Unit == n && !r.Start.After(by) {
			end = r.End
		}
	}
	if end.IsZero() {
		w.t.Errorf("%s has not ended", n)
	}
	return end
}
