package reconcile_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

// TestAnyHistoryConverges plays random histories of orders, faults, crashes and
// units with a life of their own. Whatever happens on the way obeys the rules
// in world.check; when it is over, the host is as it was ordered to be.
func TestAnyHistoryConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(rapid.Bool().Draw(t, "memory may be lost"))
		aUnit := rapid.SampledFrom(slices.Sorted(maps.Keys(w.units)))
		name := func() unit.Name { return aUnit.Draw(t, "unit") }
		turn := func(t *rapid.T) { w.turn(t) }
		actions := map[string]func(*rapid.T){
			"": func(t *rapid.T) { w.tick++; w.checkRestarts(t) },
			"order": func(t *rapid.T) {
				content := rapid.SampledFrom([]unit.ContentID{"A", "B", fencedContent}).Draw(t, "content")
				desired := rapid.SampledFrom([]cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Loaded}).Draw(t, "desired")
				w.order(name(), content, desired, false)
				w.deliver()
			},
			"restart": func(t *rapid.T) {
				n := name()
				if o, ok := w.wanted[n]; ok && o.Desired == cluster.Launched {
					w.order(n, o.Content, cluster.Launched, true)
					w.deliver()
				}
			},
			"fence ends":   func(*rapid.T) { w.endFence() },
			"fence begins": func(*rapid.T) { w.beginFence() },
			"drop":         func(*rapid.T) { delete(w.wanted, name()); w.deliver() },
			"session":      func(*rapid.T) { w.beginSession(w.Session.Lease + 1) },
			"deliver":      func(*rapid.T) { w.deliver() },
			"turn":         turn, "turn again": turn, "and again": turn,
			"call":    func(*rapid.T) { w.call(name()) },
			"advance": func(t *rapid.T) { w.advance(name(), rapid.Bool().Draw(t, "fails")) },
			"end":     func(*rapid.T) { w.end(name()) },
			"steps":   func(*rapid.T) { w.progress() }, "more": func(*rapid.T) { w.progress() },
			"error": func(*rapid.T) { // before or after systemd got the call
				n := name()
				if _, busy := w.Busy[n]; busy {
					w.done[n] = reconcile.Result{Err: errors.New("connection lost")}
				}
			},
			"crash":   func(t *rapid.T) { w.crash(w.losesAll && rapid.Bool().Draw(t, "memory lost")) },
			"persist": func(*rapid.T) { w.persisted = maps.Clone(w.Memory) },
			"die": func(t *rapid.T) {
				if p := w.units[name()]; p.active == "active" && p.job == "" {
					p.active = rapid.SampledFrom([]string{"failed", "inactive", "deactivating", "activating"}).Draw(t, "state")
				}
			},
			"removed file": func(*rapid.T) {
				if !w.losesAll {
					w.units[name()].file = ""
				}
			},
			"wait": func(*rapid.T) { w.Now = w.Now.Add(time.Minute) },
		}
		for range 10 { // a history of some hundred events
			t.Repeat(actions)
		}
		w.deliver()
		w.converge(t)
		w.checkFence(t)
	})
}

// checkFence ends the fence of a host that is at rest: what it takes along is back when another one is there, and nothing else is started.
func (w *world) checkFence(t *rapid.T) {
	before := map[unit.Name]process{}
	for name, p := range w.units {
		before[name] = *p
	}
	w.endFence()
	w.converge(t)
	for name, p := range w.units {
		was := before[name]
		if _, ordered := w.wanted[name]; ordered && was.running() != p.running() {
			t.Errorf("%s was %s, and is %s after its fence has been started anew", name, was.active, p.active)
		}
		if again := was.bound && was.running(); !again && p.invocation != was.invocation {
			t.Errorf("%s was started because of a fence that it had outlived or ended before", name)
		}
	}
}

// progress lets everything under way go one step further, without faults.
func (w *world) progress() {
	for name := range w.units {
		w.call(name)
		w.advance(name, false)
		w.end(name)
	}
}

func (w *world) converge(t *rapid.T) {
	for quiet := 0; quiet < 10; quiet++ {
		w.tick++
		if w.tick > 1_000_000 {
			t.Fatalf("does not converge: busy %v, memory %+v", w.Busy, w.Memory)
		}
		if !w.turn(t) || len(w.Busy) > 0 {
			quiet = 0
		}
		w.progress()
		w.beginFence()
		w.Now = w.Now.Add(time.Minute)
	}
	w.checkRestarts(t)
	for name, p := range w.units {
		w.checkSettled(t, name, *p)
	}
}

func (w *world) checkSettled(t *rapid.T, name unit.Name, p process) {
	m := w.Memory[name]
	o, ordered := w.wanted[name]
	if !ordered {
		ours := p.file != "" || p.running()
		if _, remembered := w.Memory[name]; remembered || ours && !w.lost {
			t.Errorf("%s was dropped and is still there: %+v, %+v", name, p, m)
		}
		return
	}
	if p.file != o.Content || p.read != o.Content {
		t.Errorf("%s: ordered %s, in place %+v", name, o.Content, p)
	}
	if m.Generation < o.Generation || m.Restart < o.Restart || m.Failure.Attempts > 0 {
		t.Errorf("%s: order %+v was not carried out: %+v", name, o, m)
	}
	if p.running() && p.runs != o.Content {
		t.Errorf("%s: ordered %s, runs %+v", name, o.Content, p)
	}
	if o.Desired == cluster.Launched && o.Restart > 0 && p.since < w.asked[name] && !w.lost {
		t.Errorf("%s: the restart asked for at %d was forgotten: runs since %d", name, w.asked[name], p.since)
	}
}

// checkRestarts: what was asked for once is done at most once, whenever the agent crashed.
func (w *world) checkRestarts(t *rapid.T) {
	for name, restarts := range w.restarts {
		for restart, times := range restarts {
			if times > 1 {
				t.Fatalf("%s: restart %d was carried out %d times", name, restart, times)
			}
		}
	}
}

// TestPlanIsAFunction: the same input gives the same output, and is not changed.
func TestPlanIsAFunction(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(false)
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			n := rapid.SampledFrom(slices.Sorted(maps.Keys(w.units))).Draw(t, "unit")
			content := rapid.SampledFrom([]unit.ContentID{"A", "B"}).Draw(t, "content")
			w.order(n, content, cluster.Launched, rapid.Bool().Draw(t, "restart"))
			w.deliver()
			w.observe()
			in := w.Input
			in.Memory, in.Busy = maps.Clone(w.Memory), maps.Clone(w.Busy)
			first, second := reconcile.Plan(in), reconcile.Plan(in)
			if !reflect.DeepEqual(first, second) {
				t.Fatalf("%+v, then %+v", first, second)
			}
			if !maps.Equal(in.Memory, w.Memory) || !maps.Equal(in.Busy, w.Busy) {
				t.Fatal("the input was changed")
			}
			w.turn(t)
			w.progress()
		}
	})
}
