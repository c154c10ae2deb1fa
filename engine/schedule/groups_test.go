package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestGroups asks for units that are tied by MachineOf, all at once, in a cluster at rest: they get
// one machine that has room for all of them, if there is one, and none of them any otherwise.
func TestGroups(t *testing.T) {
	if !wild {
		t.Skip("the engine forgets the place that is being cleared for part of a group")
	}
	eachSeed(t, func(t *rapid.T) {
		w := newWorld(t)
		w.furnish(t)
		var g []unit.Name
		n := rapid.IntRange(2, 3).Draw(t, "size")
		for i := range n {
			peer := fmt.Sprintf("new@%d.service", rapid.SampledFrom([]int{(i + 1) % n, 0}).Draw(t, "peer"))
			name := unit.Name(fmt.Sprintf("new@%d.service", i))
			text := someLooseText().Draw(t, "text")
			if string(name) != peer {
				text += "MachineOf=" + peer + "\n"
			}
			if w.submit(name, cluster.Launched, text) != nil {
				t.Skip("not a unit that the API takes")
			}
			g = append(g, name)
		}
		var may []string
		displaces, ever := false, false
		for _, h := range w.present() {
			if w.bars(h, g, nil) == "" {
				may = append(may, string(h.id))
			}
			ever = ever || w.barsByRules(h, g, nil) == ""
			_, can := w.victims(h, g)
			displaces = displaces || can
		}
		before := w.moment()
		steps := w.decide()
		w.checkChange(before)
		if len(may) == 0 && displaces || !ever {
			t.Skip("somebody would be displaced, or it is not for lack of room that they cannot be together")
		}
		homes := w.homes(g[0])
		for _, name := range g {
			if !slices.Equal(w.homes(name), homes) {
				t.Fatalf("%s are not all on %s\n%s%s", g, homes, trace(steps), w.show())
			}
		}
		if len(may) > 0 && (len(homes) != 1 || !slices.Contains(may, homes[0])) || len(may) == 0 && len(homes) > 0 {
			t.Fatalf("%s may be on one of [%s], and are on %s\n%s%s", g, strings.Join(may, " "), homes, trace(steps), w.show())
		}
	})
}
