package fence_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// neverUnguarded watches, for as long as it lasts, that no bound unit runs when the lease may have ended.
func (w *world) neverUnguarded(d time.Duration, what func() string) {
	w.t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if time.Now().Before(w.leaseEnds(1)) {
			continue
		}
		for _, r := range w.host.Runs() {
			if r.End.IsZero() && r.Unit != free {
				w.t.Fatalf("%s: %s runs %s after the lease", what(), r.Unit, time.Since(w.leaseEnds(1)))
			}
		}
	}
}

var fates = map[string]fate{
	"in time":      {to: 10 * time.Millisecond, from: 10 * time.Millisecond},
	"lost":         {lost: true},
	"unanswered":   {to: 10 * time.Millisecond, unanswered: true},
	"just in time": {to: 10 * time.Millisecond, from: 1980 * time.Millisecond},
	"late":         {to: 1500 * time.Millisecond, from: 1500 * time.Millisecond},
}

// What becomes of a few renewals, and whether the fence stands still at one of them, in all combinations: then
// nothing gets through any more, and the unit is gone when the lease ends.
func TestEveryInterleavingOfLateLostAndPausedRenewalsEndsInTime(t *testing.T) {
	const renewals = 3
	names := []string{"in time", "lost", "unanswered", "just in time", "late"}
	combinations := 1
	for range renewals {
		combinations *= len(names)
	}
	for i := range combinations {
		var plan []string
		for n := i; len(plan) < renewals; n /= len(names) {
			plan = append(plan, names[n%len(names)])
		}
		for _, pause := range []time.Duration{0, time.Second, 4 * time.Second} {
			for at := range renewals {
				if pause == 0 && at > 0 {
					continue
				}
				guarded(t, func(w *world) {
					w.fates(func(n int) fate {
						if n >= len(plan) {
							return fate{lost: true}
						}
						return fates[plan[n]]
					})
					if pause > 0 {
						time.AfterFunc(time.Duration(at)*time.Second+990*time.Millisecond, w.host.PauseFence)
						time.AfterFunc(time.Duration(at)*time.Second+990*time.Millisecond+pause, w.host.ResumeFence)
					}
					w.neverUnguarded(30*time.Second, func() string { return fmt.Sprintf("%v, paused for %s at %d", plan, pause, at) })
				})
			}
		}
	}
}

// TestAnyFenceEndsInTime: from a seed, everything at any time.
func TestAnyFenceEndsInTime(t *testing.T) {
	cases := 500
	if testing.Short() {
		cases = 50
	}
	for seed := range cases {
		guarded(t, func(w *world) {
			r := rand.New(rand.NewPCG(uint64(seed), 0))
			within := func(d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }
			bad := r.IntN(10)
			for range r.IntN(5) {
				at := within(20 * time.Second)
				time.AfterFunc(at, w.host.PauseFence)
				time.AfterFunc(at+within(8*time.Second), w.host.ResumeFence)
			}
			if r.IntN(3) == 0 {
				time.AfterFunc(within(20*time.Second), w.host.KillFence)
			}
			w.fates(func(int) fate {
				f := fate{to: within(50 * time.Millisecond), from: within(50 * time.Millisecond)}
				if r.IntN(10) < bad {
					f = fate{to: within(3 * time.Second), from: within(3 * time.Second), lost: r.IntN(3) == 0, unanswered: r.IntN(3) == 0}
				}
				return f
			})
			time.AfterFunc(20*time.Second, w.cut)
			w.neverUnguarded(40*time.Second, func() string { return fmt.Sprintf("seed %d", seed) })
		})
	}
}

// Whoever is stopped after it has looked at the clock, and before it has fed the watchdog, feeds it late, and may be stopped
// again before it can notice.
func TestTheTimeBetweenTheClockAndTheWatchdogDoesNotCountTwice(t *testing.T) {
	for _, pause := range []time.Duration{time.Second, 3 * time.Second, 4900 * time.Millisecond} {
		var w *world
		var armed atomic.Bool
		inWorld(t, ttl/2, func(world *world) {
			w = world
			w.notify = func(p *systemdtest.FenceProcess, state string) error {
				if !armed.Load() || !strings.Contains(state, "WATCHDOG=1") {
					return p.Notify(state)
				}
				armed.Store(false)
				w.host.PauseFence()
				time.AfterFunc(pause, w.host.ResumeFence)
				err := p.Notify(state)
				w.host.PauseFence()
				return err
			}
			w.begin(1)
			w.start(bound, endless+"[X-Fleet]\nAtMostOnce=yes\n")
			time.Sleep(ttl)
			armed.Store(true)
			w.cut()
			w.fates(func(n int) fate {
				if n == 0 {
					return fates["in time"]
				}
				return fate{lost: true}
			})
			w.neverUnguarded(3*ttl, func() string { return fmt.Sprintf("stopped for %s and again", pause) })
			w.goneAtLast(bound)
		})
	}
}

// Without what is to hold when the fence stands still, the unit outlives the lease: these tests can fail.
func TestAFenceThatNobodyWatchesIsNone(t *testing.T) {
	inWorld(t, 0, func(w *world) {
		w.unchecked = true
		w.begin(1)
		w.start(bound, endless+"[X-Fleet]\nAtMostOnce=yes\n")
		w.host.PauseFence()
		time.Sleep(2 * ttl)
		if r := w.last(bound); !r.End.IsZero() || time.Now().Before(w.leaseEnds(1)) {
			t.Errorf("the lease ended %s, the unit %s", w.leaseEnds(1), r.End)
		}
		w.host.ResumeFence()
		time.Sleep(ttl)
		w.goneAtLast(bound)
	})
}

func (w *world) goneAtLast(n unit.Name) {
	w.t.Helper()
	if r := w.last(n); r.End.IsZero() {
		w.t.Errorf("%s still runs", n)
	}
}
