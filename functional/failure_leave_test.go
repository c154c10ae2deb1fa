//go:build functional

package functional

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// A machine is drained: what may have two copies for a moment is up elsewhere before it stops, what must not stops first,
// what belongs to the machine stays, and what cannot leave is named. Undrained, it is given work again.
func TestADrainedMachineHandsItsUnitsOver(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "drain", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a unit that is handed over is up on the new machine before it stops on the old", plainUnit, waitUnit)
	h := w.settle(w.host(4))
	const stuck unit.Name = "stuck.service"
	w.launch(stuck, onlyOn("MachineID="+h.home.MachineID))
	stays := w.life(h.home, stuck)
	began := record.Now()
	if err := w.any().SetDrained(t.Context(), true, idOf(h.home)); err != nil {
		t.Fatal(err)
	}
	w.awaitAll(2*soon, single, "they run elsewhere", runsOff(h.home))
	w.awaitState(soon, h.home, cluster.StateDraining)
	w.noGap(began, plainUnit, waitUnit)
	for _, name := range guarded {
		t.Logf("%s was nowhere for %s", name, w.longestGap(name, began).Round(time.Millisecond))
		w.numbersGrow(name)
	}
	h.unhurt("a drain", everyUnit)
	if now := w.life(h.home, stuck); now != stays {
		t.Errorf("what cannot leave was %q and is %q", stays, now)
	}
	u := w.await(soon, stuck, "it is said why it cannot leave", func(u api.Unit) bool { return u.Pending != nil })
	if !strings.Contains(u.Pending.Message, "cannot leave") {
		t.Errorf("why it cannot leave: %s", u.Pending.Message)
	}
	w.unchanged(time.Second, append(slices.Clone(single), everyUnit, stuck)...)
	if err := w.any().SetDrained(t.Context(), false, idOf(h.home)); err != nil {
		t.Fatal(err)
	}
	w.awaitState(soon, h.home, cluster.StateReady)
	if where := w.launch("next.service", onlyOn("MachineID="+h.home.MachineID)); where != h.home {
		t.Errorf("it runs on %s", where.Name)
	}
	h.whole(soon)
}

// noGap fails the test if one of the units was nowhere for any time since then.
func (w *world) noGap(since record.Moment, names ...unit.Name) {
	w.t.Helper()
	for _, name := range names {
		if gap := w.longestGap(name, since); gap > 0 {
			w.t.Errorf("%s was nowhere for %s", name, gap)
		}
	}
}

// A drain goes on when the engine's leader is gone in the middle of it.
func TestADrainSurvivesAChangeOfLeader(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "drainlead", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a unit that is handed over is up on the new machine before it stops on the old")
	h := w.host(4)
	// Each takes a while to be up.
	files := make(map[unit.Name]string)
	for _, name := range []unit.Name{"slow1.service", "slow2.service", "slow3.service"} {
		files[name] = "[Service]\nExecStartPre=/bin/sleep 2\nExecStart=/bin/sleep infinity\n[X-Fleet]\nMachineMetadata=exile\n"
	}
	w.setMetadata(h, "exile", "yes")
	w.launchAll(files)
	for _, o := range w.others(h) {
		w.setMetadata(o, "exile", "yes")
	}
	names := slices.Collect(keys(files))
	began := record.Now()
	if err := w.any().SetDrained(t.Context(), true, idOf(h)); err != nil {
		t.Fatal(err)
	}
	w.await(soon, names[0], "it is being handed over", func(u api.Unit) bool { return len(live(u)) == 2 })
	leader := w.engineLeader()
	w.exec(leader, "systemctl", "stop", fleetdService, "fleet.socket")
	w.eventually(soon, "another engine leads", func() (bool, string) {
		next := w.engineLeader()
		return next != leader, next.Name
	})
	w.exec(leader, "systemctl", "start", "fleet.socket", fleetdService)
	w.awaitAll(2*soon, names, "they run elsewhere", func(u api.Unit) bool { return runsOff(h)(u) && len(u.Copies) == 1 })
	w.noGap(began, names...)
}

// fleetctl drain --reboot empties a machine, has it reboot, and waits until it is back.
func TestADrainToRebootEndsWithTheMachineBack(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "drainboot", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a unit that is handed over is up on the new machine before it stops on the old", plainUnit, waitUnit)
	h := w.settle(w.host(4))
	boot := w.exec(h.home, "cat", "/proc/sys/kernel/random/boot_id")
	began := record.Now()
	w.mustFleetctl("drain", "--reboot", h.home.MachineID)
	if now := w.exec(h.home, "cat", "/proc/sys/kernel/random/boot_id"); now == boot {
		t.Error("it was not rebooted")
	}
	w.awaitState(2*soon, h.home, cluster.StateReady)
	h.whole(soon)
	w.noGap(began, plainUnit, waitUnit)
	w.numbersGrow(guarded...)
}
