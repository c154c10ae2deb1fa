package schedule

import (
	"flag"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestHistories lets a cluster live through random histories, and holds every
// decision of them against a naive reading of the rules.
func TestHistories(t *testing.T) { eachSeed(t, live) }

// eachSeed checks a property of random cases.
//
// Unless a seed is given these are the same cases every time, so that a failure is about the
// change at hand. To look for what nobody has seen yet: -rapid.seed=$RANDOM -rapid.checks=10000.
func eachSeed(t *testing.T, prop func(*rapid.T)) { someSeeds(t, 10, prop) }

func someSeeds(t *testing.T, seeds int, prop func(*rapid.T)) {
	const flagName = "rapid.seed"
	given := flag.Lookup(flagName).Value.String()
	defer flag.Set(flagName, given)
	for n := range seeds {
		if given == "0" {
			if err := flag.Set(flagName, strconv.Itoa((n+1)*1_000_003)); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(strconv.Itoa(n), func(t *testing.T) { rapid.Check(t, prop) })
	}
}

func live(t *rapid.T) {
	w := newWorld(t)
	w.options = Options{
		LossLimit:    rapid.SampledFrom([]int{50, 50, 34, 100}).Draw(t, "limit"),
		OnLost:       rapid.SampledFrom([]unit.OnLost{"", "", "", unit.Wait}).Draw(t, "on lost"),
		ReplaceAfter: rapid.SampledFrom([]time.Duration{0, 0, 0, 5 * time.Second}).Draw(t, "after"),
	}
	w.elect()
	actions := map[string]func(*rapid.T){
		"join":     w.joinSome,
		"lose":     w.loseSome,
		"reboot":   w.rebootSome,
		"settings": w.overlaySome,
		"cordon":   w.cordonSome,
		"drain":    w.drainSome,
		"drain2":   w.drainSome,
		"shutdown": w.shutdownSome,
		"capacity": w.capacitySome,
		"submit":   w.submitSome,
		"submit2":  w.submitSome,
		"want":     w.wantSome,
		"move":     w.moveSome,
		"fail":     w.failSome,
		"wait":     w.waitSome,
		"destroy":  w.destroySome,
		"obey":     w.obeySome,
		"obey2":    w.obeySome,
		"damage":   w.damageSome,
		"silence":  w.silenceSome,
		"fence":    w.fenceSome,
		"overdue":  w.overdueSome,
		"ack":      w.acknowledgeSome,
		"forget":   w.forgetSome,
		"decide":   func(*rapid.T) { w.decideAndCheck() },
		"elect":    w.electSome,
		"reset":    func(*rapid.T) { w.lateReset() },
		"rest":     func(*rapid.T) { w.rest() },
	}
	if !wild {
		for _, name := range []string{"cordon", "drain", "drain2", "shutdown", "capacity", "move", "fail"} {
			delete(actions, name)
		}
	}
	t.Repeat(actions)
	w.rest()
}

// world is a sim that checks itself.
type world struct {
	*sim
	t     *rapid.T
	multi names             // units that have been global: several copies may be left of that
	left  map[leaving]int64 // the revision at which a unit last left a machine

	fences map[unit.Name]int64             // the greatest fencing number in any orders
	had    map[unit.Name]cluster.MachineID // which machine was ordered last to have the unit
}

func newWorld(t *rapid.T) *world {
	w := &world{sim: newSim(t), t: t, multi: names{}, left: map[leaving]int64{}, fences: map[unit.Name]int64{}, had: map[unit.Name]cluster.MachineID{}}
	w.options.LossLimit = 100
	w.started = w.checkAlone
	w.elect()
	return w
}

func machineAmong(t *rapid.T, ids []cluster.MachineID) cluster.MachineID {
	if len(ids) == 0 {
		t.Skip("none")
	}
	return rapid.SampledFrom(ids).Draw(t, "machine")
}

func (w *world) among(present bool) []cluster.MachineID {
	var ids []cluster.MachineID
	for _, id := range someMachines {
		if h := w.hosts[id]; (h != nil && h.record != nil) == present {
			ids = append(ids, id)
		}
	}
	return ids
}

func (w *world) joinSome(t *rapid.T) {
	id := machineAmong(t, w.among(false))
	zone := rapid.SampledFrom([]string{"x", "y"}).Draw(t, "zone")
	w.joinWith(id, map[string]string{"zone": zone}, someCapacity().Draw(t, "has"))
	if rapid.Bool().Draw(t, "reports") {
		w.write(w.hosts[id])
	}
}

func (w *world) loseSome(t *rapid.T) {
	ids := []cluster.MachineID{machineAmong(t, w.among(true))}
	if other := machineAmong(t, w.among(true)); other != ids[0] {
		ids = append(ids, other)
	}
	w.lose(ids...)
}

func (w *world) rebootSome(t *rapid.T) {
	if id := machineAmong(t, w.among(false)); w.hosts[id] != nil {
		w.reboot(id)
	}
}

func (w *world) overlaySome(t *rapid.T) {
	id := rapid.SampledFrom(someMachines).Draw(t, "machine")
	zone := rapid.SampledFrom([]*string{nil, new("x"), new("y")}).Draw(t, "zone")
	w.configure(id, func(s *cluster.Settings) { s.Metadata = map[string]*string{"zone": zone} })
}

func (w *world) cordonSome(t *rapid.T) {
	id := rapid.SampledFrom(someMachines).Draw(t, "machine")
	w.configure(id, func(s *cluster.Settings) { s.Cordoned = !s.Cordoned })
}

func (w *world) drainSome(t *rapid.T) {
	id := rapid.SampledFrom(someMachines).Draw(t, "machine")
	w.configure(id, func(s *cluster.Settings) {
		if s.Drain == nil {
			s.Drain = &cluster.Drain{}
		} else {
			s.Drain = nil
		}
	})
}

func (w *world) shutdownSome(t *rapid.T) {
	id := machineAmong(t, w.among(true))
	if w.hidden(id) {
		t.Skip("its record cannot be read")
	}
	w.change(id, func(m *cluster.Machine) { m.Leaving = true })
}

func (w *world) capacitySome(t *rapid.T) {
	id := rapid.SampledFrom(someMachines).Draw(t, "machine")
	overlay := rapid.SampledFrom([]map[string]int64{
		nil, {unit.Memory: 3 << 30}, {unit.Memory: 6 << 30}, {unit.Slots: 2}, {"gpu": 1}, {"gpu": 0, unit.Memory: 1 << 30},
	}).Draw(t, "overlay")
	w.configure(id, func(s *cluster.Settings) { s.Capacity = overlay })
}

func (w *world) moveSome(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	if _, ok := w.units[name]; !ok || w.damaged(name) {
		t.Skip("no such unit")
	}
	w.move(name, rapid.SampledFrom(append([]cluster.MachineID{""}, someMachines...)).Draw(t, "to"))
}

func (w *world) failSome(t *rapid.T) {
	if !w.fail(rapid.SampledFrom(someUnits).Draw(t, "unit")) {
		t.Skip("it runs nowhere")
	}
}

func (w *world) waitSome(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.SampledFrom([]int{1, 5, 20, 700}).Draw(t, "seconds")) * time.Second)
}

func (w *world) electSome(t *rapid.T) {
	w.decideAndCheck()
	w.strategy = rapid.SampledFrom([]unit.Strategy{"", "", unit.Pack, unit.SpreadEvenly}).Draw(t, "strategy")
	w.elect()
	w.brakeUntil(w.now.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 5}).Draw(t, "patience")) * time.Second))
}

func (w *world) submitSome(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	text := someText(wild).Draw(t, "text")
	desired := rapid.SampledFrom([]cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Loaded}).Draw(t, "desired")
	if w.submit(name, desired, text) != nil {
		t.Skip("not a unit that the API takes")
	}
	if w.units[name].Global {
		w.spread(name)
	}
}

func (w *world) spread(name unit.Name) {
	w.multi[name] = true
}

func (w *world) wantSome(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	if _, ok := w.units[name]; !ok || w.corrupt[record{cluster.KindUnit, string(name)}] {
		t.Skip("no such unit")
	}
	desired := rapid.SampledFrom([]cluster.DesiredState{cluster.Launched, cluster.Loaded, cluster.Inactive}).Draw(t, "desired")
	if err := w.submit(name, desired, ""); err != nil {
		t.Fatal(err)
	}
}

func (w *world) destroySome(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	w.destroy(name)
}

func (w *world) obeySome(t *rapid.T) {
	h := w.hosts[machineAmong(t, w.among(true))]
	slow := rapid.SliceOfN(rapid.SampledFrom(someUnits), 0, 3).Draw(t, "slow")
	w.obey(h, func(name unit.Name) bool { return !slices.Contains(slow, name) })
	w.checkCopies()
}

func (w *world) damageSome(t *rapid.T) {
	var r record
	switch rapid.IntRange(0, 2).Draw(t, "kind") {
	case 0:
		name := rapid.SampledFrom(someUnits).Draw(t, "unit")
		if _, ok := w.units[name]; !ok {
			t.Skip("no such unit")
		}
		r = record{cluster.KindUnit, string(name)}
	case 1:
		r = record{cluster.KindMachine, string(machineAmong(t, w.among(true)))}
		if w.corrupt[record{cluster.KindOrders, r.id}] {
			t.Skip("no way to know anything of it")
		}
	case 2:
		// Only where a report tells what the orders were.
		id := machineAmong(t, w.among(true))
		if _, ok := w.orders[id]; !ok || w.hosts[id].report == nil || w.hidden(id) || w.hosts[id].silent {
			t.Skip("no orders")
		}
		w.decideAndCheck()
		w.obey(w.hosts[id], nil)
		r = record{cluster.KindOrders, string(id)}
	}
	w.damage(r, !w.corrupt[r] || r.kind == cluster.KindOrders)
}
