package simulation

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/engine/schedule"
)

// Histories of clusters that lack a part of what they are protected by. Whoever looks for faults
// and finds none in these does not find any.
func TestHistoriesFindOutWhatIsMissing(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays hundreds of histories")
	}
	for name, lacking := range map[string]struct {
		change func(*world)
		found  string // in what is wrong with a history
		about  func(seed uint64) history
	}{
		"a watchdog and a deadline": {
			func(w *world) { w.fencing = fencing{unchecked: true} },
			"ran twice", imagine,
		},
		"a fence that ends its units": {
			func(w *world) { w.fencing.harmless = true },
			"ran twice", imagine,
		},
		"a fence in time": {
			func(w *world) { w.fencing.grants = 2 * ttl },
			"ran twice", imagine,
		},
		"a brake": {
			func(w *world) { w.brain = schedule.Options{LossLimit: 100} },
			"was replaced although", mostAreCutOff,
		},
		"orders to stop": {
			func(w *world) { w.mischief = true },
			"without an order to", imagine,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 1000
			for seed := range uint64(most) {
				for _, wrong := range listen(t, lacking.about(seed+1), seed+1, lacking.change) {
					if strings.Contains(wrong, lacking.found) {
						t.Logf("found by history %d: %s", seed+1, wrong)
						return
					}
				}
			}
			t.Errorf("not found by %d histories", most)
		})
	}
}

// mostAreCutOff is a history in which most machines are lost, one shortly after the other, which is rare among those that
// chance makes.
func mostAreCutOff(seed uint64) history {
	h := imagine(seed)
	h.machines = mostMachines
	h.acts = slices.DeleteFunc(h.acts, func(a act) bool { return a.do != "submit" })
	h.acts = append(h.acts, act{after: 40 * time.Second, do: "wait"})
	for i := range mostMachines - 1 {
		on := (int(seed) + i) % mostMachines
		h.acts = append(h.acts, act{after: 2 * time.Second, do: "cut", on: on, last: time.Minute})
	}
	h.acts = append(h.acts, act{after: time.Minute, do: "wait"}) // what is broken is mended when a history ends
	return h
}
