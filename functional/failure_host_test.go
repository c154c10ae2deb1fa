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

// The power of a host is gone. What may run elsewhere soon does; what waits, waits.
func TestEachKindOfUnitWhenItsHostLosesItsPower(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "power", Hosts: 4, TTL: fencedTTL})
	h := w.settle(w.host(4))
	lost := record.Now()
	w.powerLoss(h.home)
	w.awaitAll(2*soon, []unit.Name{plainUnit, onceUnit, freezeUnit}, "they run elsewhere", runsOff(h.home))
	u := w.await(soon, waitUnit, "it says what it waits for", nowhereYet)
	if !strings.Contains(u.Pending.Message, h.home.MachineID[:8]) {
		t.Errorf("it is not said for which machine it waits: %s", u.Pending.Message)
	}
	w.await(soon, everyUnit, "it runs on the others", func(u api.Unit) bool { return len(live(u)) == 3 })
	for _, name := range []unit.Name{plainUnit, onceUnit, freezeUnit} {
		w.withinTTL(name, lost, fencedTTL)
	}
	w.awaitState(soon, h.home, cluster.StateLost)
	w.unchanged(fencedTTL, waitUnit)

	w.powerOn(h.home)
	w.await(2*soon, waitUnit, "it runs again at home", runsOn(h.home))
	h.whole(soon)
	w.numbersGrow(guarded...)
}

// withinTTL fails the test if a unit was away for much longer than is promised of a lost machine's.
func (w *world) withinTTL(name unit.Name, lost record.Moment, ttl time.Duration) {
	w.t.Helper()
	for _, r := range w.runsSince(lost) {
		if r.Unit != name || r.Start < lost {
			continue
		}
		took := r.Start.Sub(lost)
		w.t.Logf("%s ran elsewhere after %s (promised: %s)", name, took.Round(time.Millisecond), ttl+time.Second)
		if took > ttl+soon/2 { // how fast exactly, on a machine that does nothing else, is for the bench
			w.t.Errorf("%s ran elsewhere only after %s", name, took)
		}
		return
	}
	w.t.Errorf("%s was never seen to run elsewhere", name)
}

// A host is cut off, both ways and each way alone, and back after it was replaced. What must not run twice has ended there
// before it starts elsewhere; everything else runs on.
func TestEachKindOfUnitWhenItsHostIsCutOff(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "off", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a machine that is cut off runs on, and nobody can see it", plainUnit)
	for _, c := range []struct {
		mode testbed.CutMode
		host int // with or without a member of etcd
	}{{testbed.Drop, 1}, {testbed.Deaf, 4}, {testbed.Mute, 2}} {
		t.Run(string(c.mode), func(t *testing.T) {
			w := w.in(t)
			h := w.settle(w.host(c.host))
			cut := record.Now()
			if err := h.home.Cut(t.Context(), c.mode); err != nil {
				t.Fatal(err)
			}
			w.awaitAll(2*soon, []unit.Name{plainUnit, onceUnit, freezeUnit}, "they run elsewhere", runsOff(h.home))
			w.await(soon, waitUnit, "it waits", nowhereYet)
			h.unhurt("it was cut off", plainUnit, waitUnit, everyUnit)
			for _, name := range guarded {
				last := w.ended(time.Second, name, h.home)
				t.Logf("%s ended there after %s", name, last.End.Sub(cut).Round(time.Millisecond))
				// One that only hears nothing is heard for a while: its renewals still arrive.
				w.withinTTL(name, cut, map[bool]time.Duration{false: fencedTTL, true: 2 * fencedTTL}[c.mode == testbed.Deaf])
			}
			if err := h.home.Heal(t.Context()); err != nil {
				t.Fatal(err)
			}
			h.whole(2 * soon)
			w.await(soon, waitUnit, "it never left", runsOn(h.home))
			h.unhurt("it was cut off and is back", waitUnit, everyUnit)
			w.numbersGrow(guarded...)
			w.leave()
		})
	}
}

// A host is cut off for less than the fence waits. Nothing stops; what is to be frozen is, and goes on where it was.
func TestACutThatIsShorterThanTheFenceWaitsFreezesAndThaws(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "short", Hosts: 4, TTL: 2 * ttl})
	h := w.settle(w.host(4))
	all := append(slices.Clone(single), everyUnit)
	if err := h.home.Cut(t.Context(), testbed.Drop); err != nil {
		t.Fatal(err)
	}
	w.eventually(ttl, "it is frozen", func() (bool, string) { return w.frozen(h.home, freezeUnit) })
	if is, _ := w.frozen(h.home, onceUnit); is {
		t.Error("the unit that does not say OnFence=freeze is frozen, too")
	}
	if err := h.home.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually(soon, "it is thawed", func() (bool, string) {
		is, seen := w.frozen(h.home, freezeUnit)
		return !is, seen
	})
	h.unhurt("a short cut", all...)
	w.unchanged(time.Second, all...)
}

// frozen tells whether the kernel holds a unit's processes.
func (w *world) frozen(h *testbed.Host, name unit.Name) (is bool, seen string) {
	w.t.Helper()
	seen = w.sh(h, "cat /sys/fs/cgroup$(systemctl show --value --property=ControlGroup "+string(name)+")/cgroup.events")
	return strings.Contains(seen, "frozen 1"), seen
}

// A hypervisor pauses a machine for longer than its lease lives. When it goes on, so do its processes, until its systemd
// has ended the fence: that moment is what no host can take away from itself.
func TestEachKindOfUnitWhenItsHostIsPaused(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "paused", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("awake again, a machine runs on until it hears that it was replaced", plainUnit)
	w.mayBreak("awake again, they run for the moment that systemd takes to end them", guarded...)
	h := w.settle(w.host(4))
	w.freeze(h.home)
	w.awaitAll(2*soon, []unit.Name{plainUnit, onceUnit, freezeUnit}, "they run elsewhere", runsOff(h.home))
	w.thaw(h.home)
	h.whole(2 * soon)
	w.await(soon, waitUnit, "it never left", runsOn(h.home))
	h.unhurt("a pause", waitUnit, everyUnit)
	for _, name := range guarded {
		w.numbersGrow(name)
		w.overtaken(h.home, name)
	}
	for _, o := range w.overlaps(guarded...) {
		t.Logf("as it woke up: %s", o)
		if o.For > shortTTL {
			t.Errorf("it took long to end: %s", o)
		}
	}
}

// A host is rebooted by systemctl reboot: it hands its units over before it goes down.
func TestEachKindOfUnitWhenItsHostIsRebooted(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "reboot", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a unit that is handed over is up on the new machine before it stops on the old", plainUnit, waitUnit)
	h := w.settle(w.host(4))
	w.ask(waitUnit, cluster.Launched)
	began := record.Now()
	if err := h.home.Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.awaitState(2*soon, h.home, cluster.StateReady)
	h.whole(soon)
	for _, name := range single {
		gap := w.longestGap(name, began)
		t.Logf("%s was nowhere for %s", name, gap.Round(time.Millisecond))
		if limit := map[bool]time.Duration{true: fencedTTL, false: 0}[slices.Contains(guarded, name)]; gap > limit {
			t.Errorf("%s was nowhere for %s", name, gap)
		}
		if where := w.latestRun(name).Host; where == h.home.Name {
			t.Errorf("%s was not handed over: it runs on %s", name, where)
		}
	}
	w.numbersGrow(guarded...)
}
