package schedule

import (
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestUnitsThatComeToSayAtMostOnce is TestHistories with little else than two units that say AtMostOnce, and take it back, while
// machines are drained, lost in the middle and back again. What it looks for is in checkAlone.
func TestUnitsThatComeToSayAtMostOnce(t *testing.T) {
	someSeeds(t, 4, func(t *rapid.T) {
		w := newWorld(t)
		b := bindings{w}
		for range 3 {
			w.joinSome(t)
			b.submit(t)
		}
		w.rest()
		t.Repeat(map[string]func(*rapid.T){
			"join":    w.joinSome,
			"join2":   w.joinSome,
			"lose":    b.loseOne,
			"lose2":   b.loseOne,
			"drain":   w.drainSome,
			"fence":   w.fenceSome,
			"forget":  w.forgetSome,
			"submit":  b.submit,
			"submit2": b.submit,
			"want":    b.want,
			"move":    b.move,
			"obey":    b.obey,
			"obey2":   b.obey,
			"settle":  drains{w}.settle,
			"decide":  func(*rapid.T) { w.decideAndCheck() },
			"decide2": func(*rapid.T) { w.decideAndCheck() },
			"elect":   w.electSome,
			"reset":   func(*rapid.T) { w.lateReset() },
			"rest":    func(*rapid.T) { w.rest() },
		})
		w.rest()
	})
}

var boundUnits = []unit.Name{"a.service", "b.service"}

type bindings struct{ *world }

func (b bindings) submit(t *rapid.T) {
	text := "[Service]\nExecStart=/bin/" + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "version") + "\n[X-Fleet]\n" +
		rapid.SampledFrom([]string{"", "", "AtMostOnce=yes\n", "AtMostOnce=yes\n", "HandOver=stop-first\n", "Global=true\n"}).Draw(t, "says")
	name := rapid.SampledFrom(boundUnits).Draw(t, "unit")
	if err := b.world.submit(name, cluster.Launched, text); err != nil {
		t.Fatal(err)
	}
	if b.units[name].Global {
		b.spread(name)
	}
}

func (b bindings) want(t *rapid.T) {
	name := rapid.SampledFrom(boundUnits).Draw(t, "unit")
	if _, ok := b.units[name]; !ok {
		t.Skip("no such unit")
	}
	if err := b.world.submit(name, rapid.SampledFrom([]cluster.DesiredState{cluster.Launched, cluster.Inactive}).Draw(t, "desired"), ""); err != nil {
		t.Fatal(err)
	}
}

func (b bindings) move(t *rapid.T) {
	if name := rapid.SampledFrom(boundUnits).Draw(t, "unit"); b.units[name].Name != "" {
		b.world.move(name, rapid.SampledFrom(append([]cluster.MachineID{""}, someMachines...)).Draw(t, "to"))
	}
}

func (b bindings) loseOne(t *rapid.T) { b.lose(machineAmong(t, b.among(true))) }

// obey has one machine carry out its orders, but for a unit that it may not get to.
func (b bindings) obey(t *rapid.T) {
	slow := rapid.SampledFrom(append([]unit.Name{"", ""}, boundUnits...)).Draw(t, "slow")
	b.sim.obey(b.hosts[machineAmong(t, b.among(true))], func(name unit.Name) bool { return name != slow })
	b.checkCopies()
}
