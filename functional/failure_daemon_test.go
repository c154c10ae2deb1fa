//go:build functional

package functional

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// While fleetd is away, its machine is silent: its session goes on, as the fence renews it. Nothing of it moves or stops,
// nothing is added, and what was asked for meanwhile is carried out afterwards.
func TestAFleetdThatIsStoppedKilledOrHungTouchesNoUnit(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "fd", Hosts: 4, TTL: fencedTTL})
	h := w.settle(w.host(4))
	all := append(slices.Clone(single), everyUnit)
	for _, c := range []struct {
		what       string
		begin, end func(h *testbed.Host)
	}{
		{
			"stopped", func(h *testbed.Host) { w.exec(h, "systemctl", "stop", fleetdService, "fleet.socket") },
			func(h *testbed.Host) { w.exec(h, "systemctl", "start", "fleet.socket", fleetdService) },
		},
		{"hung", w.pauseFleetd, w.resumeFleetd},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := h.inside(w.in(t))
			c.begin(h.home)
			h.awaitState(2*soon, h.home, cluster.StateSilent)
			name := unit.Name(c.what + ".service")
			h.put(name, onlyOn("MachineID="+h.home.MachineID), cluster.Launched)
			h.await(soon, name, "it is not given to a silent machine", nowhere)
			h.unchanged(2*fencedTTL, all...)
			h.unhurt("a fleetd was "+c.what, all...)
			c.end(h.home)
			h.awaitState(soon, h.home, cluster.StateReady)
			h.await(soon, name, "it runs now", runsOn(h.home))
			h.unchanged(time.Second, all...)
			h.unhurt("fleetd was back", all...)
		})
	}
	t.Run("killed", func(t *testing.T) {
		h := h.inside(w.in(t))
		for range 3 {
			was := h.life(h.home, fleetdService)
			w.signal(h.home, fleetdService, syscall.SIGKILL)
			h.eventually(soon, "fleetd is there again", func() (bool, string) {
				now := h.sh(h.home, "systemctl show --value --property=MainPID,InvocationID,ActiveState "+fleetdService)
				return strings.Contains(now, "\nactive") && !strings.HasPrefix(now, was[:strings.Index(was, " ")]+"\n"), now
			})
		}
		h.unchanged(fencedTTL, all...)
		h.unhurt("fleetd was killed", all...)
	})
	h.whole(soon)
}

// The fence ends with those that it guards, in whatever way, and with nothing else. They run again when it does.
func TestAFenceThatIsStoppedKilledOrHungEndsWhatItGuardsAndNothingElse(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "guards", Hosts: 4, TTL: fencedTTL})
	for _, c := range []struct {
		what   string
		strike func(h *testbed.Host)
	}{
		{"killed", func(h *testbed.Host) { w.signal(h, fenceService, syscall.SIGKILL) }},
		{"hung", func(h *testbed.Host) { w.signal(h, fenceService, syscall.SIGSTOP) }},
		{"stopped", func(h *testbed.Host) { w.exec(h, "systemctl", "stop", fenceService) }},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := w.in(t)
			h := w.settle(w.host(4))
			c.strike(h.home)
			for _, name := range guarded {
				if last := w.ended(fencedTTL, name, h.home); last.Died {
					t.Errorf("%s ended with its host", name)
				}
			}
			h.unhurt("the fence was "+c.what, plainUnit, waitUnit, everyUnit)
			h.whole(2 * soon)
			h.unhurt("the fence was "+c.what, plainUnit, waitUnit, everyUnit)
			w.numbersGrow(guarded...)
			w.leave()
		})
	}
}

// fleetd and the fence of a machine are gone together. What is bound to the fence ends in time; everything else runs on.
//
// Of a fence that hangs there is another one soon, as systemd ends it. If that comes before the lease has ended, the machine is silent and
// what was bound stays down until fleetd is back; if not, it is lost, and replaced as any. How fast the host is decides.
func TestEachKindOfUnitWhenFleetdAndItsFenceAreGone(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "gone", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a machine that is lost runs on, and nobody can see it", plainUnit)
	for _, c := range []struct {
		what       string
		lost       bool // it is in any case
		begin, end func(w *world, h *testbed.Host)
	}{
		{
			"hung", false,
			func(w *world, h *testbed.Host) {
				w.pauseFleetd(h)
				w.signal(h, fenceService, syscall.SIGSTOP)
			},
			func(w *world, h *testbed.Host) {
				// Its watchdog may have ended it by now.
				w.sh(h, "systemctl kill --kill-whom=main --signal=CONT "+fleetdService+" || true")
			},
		},
		{
			"stopped", true,
			func(w *world, h *testbed.Host) {
				w.exec(h, "systemctl", "stop", fleetdService, "fleet.socket")
				w.exec(h, "systemctl", "mask", "--runtime", "--now", fenceService)
			},
			func(w *world, h *testbed.Host) {
				w.exec(h, "systemctl", "unmask", "--runtime", fenceService)
				w.exec(h, "systemctl", "start", "fleet.socket", fleetdService)
			},
		},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := w.in(t)
			h := w.settle(w.host(4))
			began := record.Now()
			c.begin(w, h.home)
			for _, name := range guarded {
				last := w.ended(soon, name, h.home)
				t.Logf("%s ended after %s", name, last.End.Sub(began).Round(time.Millisecond))
				if last.Died {
					t.Errorf("%s ended with its host", name)
				}
			}
			h.unhurt("fleetd and the fence were "+c.what, plainUnit, waitUnit, everyUnit)
			var state cluster.MachineState
			w.eventually(2*soon, "it is noticed", func() (bool, string) {
				m, err := w.via(w.others(h.home)[0]).Machine(w.ctx(), idOf(h.home))
				state = m.State
				return state == cluster.StateLost || state == cluster.StateSilent && !c.lost, fmt.Sprint(state, err)
			})
			t.Logf("the machine is %s", state)
			if c.lost {
				w.awaitAll(2*soon, []unit.Name{plainUnit, onceUnit, freezeUnit}, "they run elsewhere", runsOff(h.home))
			}
			h.unhurt("fleetd and the fence were "+c.what, plainUnit, waitUnit, everyUnit)
			c.end(w, h.home)
			w.awaitState(3*soon, h.home, cluster.StateReady)
			h.whole(3 * soon)
			w.await(soon, waitUnit, "it never left", runsOn(h.home))
			h.unhurt("fleetd and the fence were back", waitUnit, everyUnit)
			w.numbersGrow(guarded...)
			w.leave()
		})
	}
}

// A change of the leader, be it restarted or gone for good, moves nothing and stops nothing.
func TestAChangeOfTheEnginesLeaderMovesNothing(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "elect", Hosts: 4, TTL: fencedTTL})
	h := w.settle(w.host(4))
	all := append(slices.Clone(single), everyUnit)
	for range 3 {
		leader := w.engineLeader()
		w.exec(leader, "systemctl", "stop", fleetdService, "fleet.socket")
		w.eventually(soon, "another engine leads", func() (bool, string) {
			next := w.engineLeader()
			return next != leader, next.Name
		})
		w.put("next.service", sleeper, cluster.Launched)
		w.await(soon, "next.service", "the new leader places units", runs)
		w.exec(leader, "systemctl", "start", "fleet.socket", fleetdService)
		w.awaitState(soon, leader, cluster.StateReady)
		w.destroy("next.service")
		w.await(soon, "next.service", "it is gone", gone)
		h.unhurt("a change of the leader", all...)
	}
	w.unchanged(fencedTTL, all...)
	if n := len(w.runsSince(0)); n != len(single)+4+3 {
		t.Errorf("there were %d runs of units, want none but the first ones, and next.service's three", n)
	}
}

// nowhereYet: it has no machine, and says what it waits for.
func nowhereYet(u api.Unit) bool {
	return !u.Absent && len(live(u)) == 0 && u.Pending != nil
}
