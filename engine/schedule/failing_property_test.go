package schedule

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestFailingHistories is TestHistories with units that fail most of the time, and are tried elsewhere.
func TestFailingHistories(t *testing.T) {
	eachSeed(t, func(t *rapid.T) {
		w := &failingWorld{world: newWorld(t)}
		t.Repeat(map[string]func(*rapid.T){
			"join":     w.joinSome,
			"lose":     w.loseSome,
			"settings": w.overlaySome,
			"submit":   w.submitFailing,
			"want":     w.wantSome,
			"fail":     w.failSome,
			"fail2":    w.failSome,
			"fail3":    w.failSome,
			"wait":     w.waitSome,
			"destroy":  w.destroySome,
			"obey":     w.obeySome,
			"settle":   w.settleAll,
			"decide":   func(*rapid.T) { w.decideOnce() },
			"elect":    func(*rapid.T) { w.decideOnce(); w.elect() },
			"rest":     func(*rapid.T) { w.decideOnce(); w.rest() },
		})
		w.decideOnce()
		w.rest()
	})
}

// failingWorld holds the decisions about units that have failed against a naive reading of their stories.
type failingWorld struct{ *world }

func (w *failingWorld) submitFailing(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	text := "[X-Fleet]\nReschedule=on-failure\n" + rapid.SampledFrom([]string{
		"", "", "MachineMetadata=zone=x", "MachineMetadata=zone", "MachineOf=" + string(rapid.SampledFrom(someUnits).Draw(t, "peer")),
		"Conflicts=" + rapid.SampledFrom(someGlobs).Draw(t, "conflict"), "Spread=zone",
	}).Draw(t, "rule") + "\n"
	if w.submit(name, cluster.Launched, text) != nil {
		t.Skip("not a unit that the API takes")
	}
}

// settleAll has everybody do what is to be done without time passing.
func (w *failingWorld) settleAll(*rapid.T) {
	for range 3 {
		w.decideOnce()
		for _, h := range w.present() {
			w.obey(h, nil)
			w.checkCopies()
		}
	}
}

// decideOnce decides, and looks at what that did to units that had failed before, or fail now.
func (w *failingWorld) decideOnce() {
	before, stories := w.moment(), maps.Clone(w.failures)
	failed := make(map[unit.Name][]cluster.MachineID) // more than one if a machine is back with a copy
	for _, h := range w.present() {
		for name := range w.orders[h.id].Units {
			if h.hears() && w.givenUp(name, h) {
				failed[name] = append(failed[name], h.id)
			}
		}
	}
	w.decideAndCheck()
	for _, name := range slices.Sorted(maps.Keys(w.units)) {
		w.checkStory(name, stories[name], failed[name])
		for _, h := range w.present() {
			if _, placed := w.live(h)[name]; placed && !before.there[h.id][name] {
				w.checkNext(name, stories[name], h)
			}
		}
	}
	for name := range w.failures {
		if !w.wanted(name) {
			w.t.Fatalf("a story is left of %s, which nobody wants\n%s", name, w.show())
		}
	}
}

// givenUp tells whether systemd has given name up on h, after it was started there as wanted.
func (w *failingWorld) givenUp(name unit.Name, h *host) bool {
	u, r := w.units[name], h.report.Units[name]
	return w.wanted(name) && u.Desired == cluster.Launched && r.Active == "failed" &&
		r.Generation == u.Generation && w.orders[h.id].Units[name].Generation == u.Generation
}

// checkStory: a failure is recorded once, in the decision that takes the unit off.
func (w *failingWorld) checkStory(name unit.Name, old cluster.Failures, failedOn []cluster.MachineID) {
	now := w.failures[name]
	for _, id := range failedOn {
		if _, still := w.live(w.hosts[id])[name]; still {
			w.t.Fatalf("%s has failed on %s and is left there\n%s", name, id, w.show())
		}
	}
	switch n := len(now.Tries); {
	case n == 0: // if it has failed, it had to leave for other reasons as well
	case now.Generation != w.units[name].Generation:
		w.t.Fatalf("the story of %s is about an earlier request\n%s", name, w.show())
	case now.Parked != (n == cluster.MaxTries):
		w.t.Fatalf("%s is parked: %t after %d failures", name, now.Parked, n)
	case now.Equal(old):
	case !slices.Contains(failedOn, now.Tries[n-1].Machine):
		w.t.Fatalf("%s has not failed there: its story was %s\n%s", name, w.showFailures(old), w.show())
	case now.Generation == old.Generation && n != len(old.Tries)+1 && n != 1:
		w.t.Fatalf("%s has failed once: its story was %s\n%s", name, w.showFailures(old), w.show())
	}
}

// checkNext: a unit that has failed is placed when its time has come, and where it failed the longest ago.
func (w *failingWorld) checkNext(name unit.Name, story cluster.Failures, h *host) {
	if story.Generation != w.units[name].Generation {
		return
	}
	if story.Parked || story.Next.After(w.now) {
		w.t.Fatalf("%s is placed on %s ahead of its time\n%s", name, h.id, w.show())
	}
	last := func(id cluster.MachineID) int {
		found := -1
		for i, try := range story.Tries {
			if try.Machine == id {
				found = i
			}
		}
		return found
	}
	if len(w.rules(name).MachineOf) > 0 || w.named(name) {
		return
	}
	for _, other := range w.present() {
		if other != h && last(other.id) < last(h.id) && w.confirmed(other) && w.bars(other, []unit.Name{name}, nil) == "" {
			w.t.Fatalf("%s is placed on %s, where it has failed later than on %s\n%s", name, h.id, other.id, w.show())
		}
	}
}

// named tells whether another unit has to be where name is.
func (w *failingWorld) named(name unit.Name) bool {
	for other := range w.units {
		if slices.Contains(w.rules(other).MachineOf, name) {
			return true
		}
	}
	return false
}
