//go:build functional

package functional

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// cordon has hosts given no further units until the function that it returns is called, or the test ends.
func (w *world) cordon(hosts ...*testbed.Host) (uncordon func()) {
	w.t.Helper()
	var ids []string
	for _, h := range hosts {
		ids = append(ids, h.MachineID)
	}
	w.mustFleetctl(append([]string{"cordon"}, ids...)...)
	uncordon = func() { w.mustFleetctl(append([]string{"uncordon"}, ids...)...) }
	w.t.Cleanup(func() {
		out, err := w.FleetctlCommand(context.Background(), hosts[0], append([]string{"uncordon"}, ids...)...).CombinedOutput()
		if err != nil {
			w.t.Errorf("uncordon: %v\n%s", err, out)
		}
	})
	return uncordon
}

// placesOf is on which hosts units run, all of which have to.
func (w *world) placesOf(names []unit.Name) map[string]int {
	w.t.Helper()
	count := make(map[string]int)
	for _, u := range w.awaitAll(soon, names, "they run", runs) {
		count[w.hostOf(u.MachineID).Name]++
	}
	return count
}

func TestRebalanceMovesUnitsOneByOne(t *testing.T) {
	w := shared(t)
	w.mayRunTwice("what moves starts there before it stops here")
	uncordon := w.cordon(w.host(2), w.host(3))
	files := make(map[unit.Name]string)
	for i := range 6 {
		files[unit.Name(fmt.Sprintf("pile%d.service", i))] = sleeper
	}
	files["pile0.service"] = onlyOn("Movable=no")
	files["pile1.service"] = onlyOn("MachineOf=pile2.service")
	names := slices.Sorted(maps.Keys(files))
	before := w.lives(w.launchAll(files))
	if count := w.placesOf(names); !maps.Equal(count, map[string]int{"h1": 6}) {
		t.Fatalf("with the others cordoned six units went to %v", count)
	}
	out := w.mustFleetctl("rebalance", "--goal", "even", "--plan")
	if !strings.Contains(out, "Nothing to move") {
		t.Errorf("with the others cordoned there is something to move:\n%s", out)
	}
	uncordon()

	out = w.mustFleetctl("rebalance", "--goal", "even", "--yes")
	t.Logf("rebalance:\n%s", out)
	if !strings.Contains(out, "4 moves made.") {
		t.Errorf("rebalance says:\n%s", out)
	}
	if count := w.placesOf(names); !maps.Equal(count, map[string]int{"h1": 2, "h2": 2, "h3": 2}) {
		t.Errorf("then they are on %v", count)
	}
	if now := "h1 " + w.life(w.host(1), "pile0.service"); now != before["pile0.service"] {
		t.Errorf("what is not to be moved was %s and is %s", before["pile0.service"], now)
	}
	if one, other := w.unit("pile1.service"), w.unit("pile2.service"); one.MachineID != other.MachineID {
		t.Errorf("units that are tied to each other are on %s and %s", one.MachineID, other.MachineID)
	}
	if out := w.mustFleetctl("rebalance", "--goal", "even", "--yes"); !strings.Contains(out, "Nothing to move") {
		t.Errorf("a second time:\n%s", out)
	}
}

func TestExplainPlanAndMove(t *testing.T) {
	w := shared(t)
	w.mayRunTwice("what moves starts there before it stops here", "probe.service")
	file := w.file("probe.service", onlyOn("MachineMetadata=disk=ssd\nMemoryReserve=16M"))
	plan := w.mustFleetctl("plan", file)
	if !strings.Contains(plan, "+ probe.service  would go to ") || strings.Contains(w.mustFleetctl("list-unit-files"), "probe") {
		t.Errorf("the plan, of which nothing is stored:\n%s", plan)
	}
	w.mustFleetctl("start", file)
	u := w.await(soon, "probe.service", "it runs", runs)
	home := w.hostOf(u.MachineID)
	if !strings.Contains(plan, "would go to "+home.MachineID[:8]) {
		t.Errorf("it is on %s, and was planned:\n%s", home.MachineID, plan)
	}
	out := w.mustFleetctl("explain", "probe")
	t.Logf("explain:\n%s", out)
	for _, line := range []string{
		"probe.service is on " + home.MachineID[:8], "2 of 3 machines fit:", "  * " + home.MachineID[:8], " of memory would be left",
		"1 of 3 machines does not fit:", "MachineMetadata: 1 machine lacks disk=ssd", w.host(2).MachineID[:8],
	} {
		if !strings.Contains(out, line) {
			t.Errorf("it is not explained with %q:\n%s", line, out)
		}
	}

	away := w.host(4 - home.Index) // 1 and 3 have the disk
	for _, to := range []*testbed.Host{away, home} {
		w.mustFleetctl("move", "probe", to.MachineID)
		if u := w.await(soon, "probe.service", "it runs", runs); u.MachineID != cluster.MachineID(to.MachineID) {
			t.Errorf("moved to %s it is on %s", to.Name, u.MachineID)
		}
	}
	if out, code := w.fleetctl("move", "probe", w.host(2).MachineID); code != 7 || !strings.Contains(out, "lack disk=ssd") {
		t.Errorf("moved to where its rules do not allow it: exit code %d\n%s", code, out)
	}
	out = w.mustFleetctl("plan", "--destroy", "probe")
	if !strings.Contains(out, "- probe.service  would leave "+home.MachineID[:8]) {
		t.Errorf("planned for being destroyed:\n%s", out)
	}
}
