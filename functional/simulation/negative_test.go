package simulation

import (
	"strings"
	"testing"

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
	}{
		"a watchdog and a deadline": {
			func(w *world) { w.fencing = fencing{unchecked: true} },
			"ran twice",
		},
		"a fence that ends its units": {
			func(w *world) { w.fencing.harmless = true },
			"ran twice",
		},
		"a fence in time": {
			func(w *world) { w.fencing.grants = 2 * ttl },
			"ran twice",
		},
		"a brake": {
			func(w *world) { w.brain = schedule.Options{LossLimit: 100} },
			"was replaced although",
		},
		"orders to stop": {
			func(w *world) { w.mischief = true },
			"without an order to",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const most = 1000
			for seed := range uint64(most) {
				for _, wrong := range listen(t, imagine(seed+1), seed+1, lacking.change) {
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
