//go:build functional

package functional

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// The hosts of the shared cluster: 1 has disk=ssd,zone=a; 2 disk=hdd,zone=b; 3
// disk=ssd,zone=b.

func onlyOn(rules string) string { return sleeper + "[X-Fleet]\n" + rules + "\n" }

func TestUnitsGoToTheMachineWithTheFewest(t *testing.T) {
	w := shared(t)
	files := make(map[unit.Name]string)
	for i := range 6 {
		files[unit.Name(fmt.Sprintf("even%d.service", i))] = sleeper
	}
	count := make(map[string]int)
	for _, h := range w.launchAll(files) {
		count[h.Name]++
	}
	if !maps.Equal(count, map[string]int{"h1": 2, "h2": 2, "h3": 2}) {
		t.Errorf("six units went to %v", count)
	}
}

func TestEachRuleOfPlacementAloneAndCombined(t *testing.T) {
	w := shared(t)
	for _, c := range []struct {
		rules string
		hosts []int // where it may run
	}{
		{"MachineID=" + w.host(2).MachineID, []int{2}},
		{"MachineID=" + w.host(3).MachineID[:8], []int{3}},
		{"MachineMetadata=disk=hdd", []int{2}},
		{"MachineMetadata=disk!=ssd", []int{2}},
		{"MachineMetadata=zone!=b", []int{1}},
		{`MachineMetadata="disk=ssd" "zone=b"`, []int{3}},
		{`MachineMetadata="disk=ssd" "disk=hdd" "zone!=b"`, []int{1}},
		{"MachineMetadata=disk=hdd\nMachineMetadata=disk=nvme", []int{2}},
		{`MachineMetadata="disk" "!nothing" "zone=a"`, []int{1}},
		{"X-ConditionMachineMetadata=zone=a", []int{1}},
		{"MachineID=" + w.host(1).MachineID + "\nMachineMetadata=zone=b", nil},
		{"MachineMetadata=disk=tape", nil},
		{"MachineMetadata=!disk", nil},
		{"MachineID=00000000000000000000000000000000", nil},
	} {
		t.Run(strings.ReplaceAll(c.rules, "\n", " "), func(t *testing.T) {
			w := w.in(t)
			w.put("rule.service", onlyOn(c.rules), cluster.Launched)
			u := w.await(soon, "rule.service", "it is decided", func(u api.Unit) bool { return runs(u) || nowhere(u) })
			switch {
			case c.hosts == nil && !nowhere(u):
				t.Errorf("it runs on %s", w.hostOf(u.MachineID).Name)
			case c.hosts == nil && (u.Pending == nil || u.Pending.Machines != 3 || !strings.HasPrefix(u.Pending.Message, "0 of 3 machines fit: ")):
				t.Errorf("it is not said why it runs nowhere: %+v", u.Pending)
			case c.hosts != nil && nowhere(u):
				t.Errorf("it runs nowhere: %s", u.Pending.Message)
			case c.hosts != nil && !slices.Contains(c.hosts, w.hostOf(u.MachineID).Index):
				t.Errorf("it runs on %s", w.hostOf(u.MachineID).Name)
			}
			w.destroy("rule.service")
			w.await(soon, "rule.service", "it is gone", gone)
		})
	}
}

func TestMachineOfFollowsItsUnits(t *testing.T) {
	w := shared(t)
	w.put("shadow.service", onlyOn("MachineOf=lead.service"), cluster.Launched)
	w.await(soon, "shadow.service", "it waits for its leader", func(u api.Unit) bool {
		return len(live(u)) == 0 && u.Pending != nil && strings.Contains(u.Pending.Message, "lead.service")
	})
	h := w.launch("lead.service", onlyOn("MachineMetadata=disk=ssd"))
	w.await(soon, "shadow.service", "it is with its leader", runsOn(h))

	// The leader's rule stops holding where it is: both go.
	w.setMetadata(h, "disk", "worn")
	defer w.setMetadata(h, "disk", "ssd")
	u := w.await(soon, "lead.service", "it has moved", runsOff(h))
	w.await(soon, "shadow.service", "it has moved along", runsOn(w.hostOf(u.MachineID)))
}

func TestConflictsKeepUnitsApartInBothDirections(t *testing.T) {
	w := shared(t)
	// Four that exclude each other, three machines.
	for i := range 4 {
		w.put(unit.Name(fmt.Sprintf("apart@%d.service", i)), onlyOn("Conflicts=apart@*.service"), cluster.Launched)
	}
	names := []unit.Name{"apart@0.service", "apart@1.service", "apart@2.service", "apart@3.service"}
	all := w.awaitAll(soon, names, "all are decided", func(u api.Unit) bool { return runs(u) || nowhere(u) })
	used, left := make(map[cluster.MachineID]bool), unit.Name("")
	for name, u := range all {
		if nowhere(u) {
			left = name
			continue
		}
		used[u.MachineID] = true
	}
	if len(used) != 3 || left == "" || !strings.Contains(all[left].Pending.Message, "apart@") {
		t.Fatalf("they run on %v; %s is pending: %+v", used, left, all[left].Pending)
	}
	// A place becomes free, and is taken.
	for _, name := range names {
		if name != left {
			w.destroy(name)
			break
		}
	}
	w.await(soon, left, "it took the free place", runs)

	// The one that names nobody is kept away all the same.
	w.clear()
	rival := w.launch("rival.service", onlyOn("Conflicts=plain.service\nMachineMetadata=zone=a"))
	if plain := w.launch("plain.service", sleeper); plain == rival {
		t.Error("a unit was placed beside one that conflicts with it")
	}
	pinned := w.launch("pinned.service", onlyOn("MachineID="+w.host(2).MachineID))
	w.put("hater.service", onlyOn("Conflicts=pinned.service\nMachineMetadata=disk=hdd"), cluster.Launched)
	u := w.await(soon, "hater.service", "it is nowhere", nowhere)
	if !strings.Contains(u.Pending.Message, "pinned.service") {
		t.Errorf("why: %s (pinned.service is on %s)", u.Pending.Message, pinned.Name)
	}
}

func TestReplacesTakesThePlaceOnceAndNeverFlaps(t *testing.T) {
	w := shared(t)
	old := w.launch("old.service", stamped)
	h := w.launch("new.service", stamped+"[X-Fleet]\nReplaces=old.service\n")
	if h != old {
		t.Errorf("the newcomer runs on %s, the replaced unit ran on %s", h.Name, old.Name)
	}
	w.await(soon, "old.service", "it has moved", runsOff(old))
	w.unchanged(3*time.Second, "old.service", "new.service")
	w.neverTwo("old.service", nil)
	if all := w.spans("old.service"); len(all) != 2 {
		t.Errorf("the replaced unit ran %v, want once before and once after", all)
	}
}

func TestGlobalUnitsRunOnEveryMachineThatFits(t *testing.T) {
	w := shared(t)
	w.put("every.service", onlyOn("Global=true"), cluster.Launched)
	w.put("ssds.service", onlyOn("Global=true\nMachineMetadata=disk=ssd"), cluster.Launched)
	w.await(soon, "every.service", "it runs on all", runsOnAll(w.Hosts()...))
	w.await(soon, "ssds.service", "it runs on those with an SSD", runsOnAll(w.host(1), w.host(3)))

	w.setMetadata(w.host(2), "disk", "ssd")
	w.await(soon, "ssds.service", "it runs on the one that got an SSD too", runsOnAll(w.Hosts()...))
	w.setMetadata(w.host(2), "disk", "hdd")
	w.await(soon, "ssds.service", "it left the one that has none any more", runsOnAll(w.host(1), w.host(3)))
	w.ask("every.service", cluster.Loaded)
	w.await(soon, "every.service", "it is stopped on all", func(u api.Unit) bool {
		return done(u) && len(live(u)) == 3 && !slices.ContainsFunc(live(u), func(c api.Copy) bool { return c.Active != "inactive" })
	})
}

// runsOnAll: it runs on exactly these hosts.
func runsOnAll(hosts ...*testbed.Host) func(api.Unit) bool {
	return func(u api.Unit) bool {
		copies := live(u)
		if !done(u) || len(copies) != len(hosts) || len(u.Copies) != len(hosts) {
			return false
		}
		for _, c := range copies {
			here := func(h *testbed.Host) bool { return idOf(h) == c.MachineID }
			if !isRunning(c) || !slices.ContainsFunc(hosts, here) {
				return false
			}
		}
		return true
	}
}

func TestAUnitThatFitsNowhereSaysWhyWithinASecondAndRunsWhenAMachineFits(t *testing.T) {
	w := shared(t)
	began := time.Now()
	w.put("picky.service", onlyOn(`MachineMetadata="gpu=yes" "disk=ssd"`), cluster.Launched)
	u := w.await(time.Second, "picky.service", "it says why it runs nowhere", nowhere)
	t.Logf("the reason was there after %s: %s", time.Since(began).Round(time.Millisecond), u.Pending.Message)
	if !strings.Contains(u.Pending.Message, "gpu=yes") || !strings.Contains(u.Pending.Message, "0 of 3 machines fit") {
		t.Errorf("the reason: %s", u.Pending.Message)
	}
	if out, code := w.fleetctl("start", "picky.service"); code != 5 || !strings.Contains(out, "gpu=yes") {
		t.Errorf("start: exit code %d\n%s", code, out)
	}
	w.setMetadata(w.host(3), "gpu", "yes")
	defer w.setMetadata(w.host(3), "gpu", "no")
	w.await(soon, "picky.service", "it runs", runsOn(w.host(3)))
}

// setMetadata lays a value over a machine's own metadata, as an operator.
func (w *world) setMetadata(h *testbed.Host, key, value string) {
	w.t.Helper()
	w.patchMetadata(fmt.Sprintf(`[{"op":"replace","path":"/%s/metadata/%s","value":{"value":%q}}]`, h.MachineID, key, value))
}

// dropMetadata hides a key of a machine's metadata.
func (w *world) dropMetadata(h *testbed.Host, key string) {
	w.t.Helper()
	w.patchMetadata(fmt.Sprintf(`[{"op":"remove","path":"/%s/metadata/%s"}]`, h.MachineID, key))
}

func (w *world) patchMetadata(operations string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	h, err := w.live(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	code, answer, err := w.request(ctx, h, http.MethodPatch, "/fleet/v1/machines", jsonHeader(), operations)
	if err != nil || code != http.StatusNoContent {
		w.t.Fatalf("%s through %s: %d %s %v", operations, h.Name, code, answer, err)
	}
}
