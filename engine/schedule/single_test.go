package schedule

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestDecisions asks for one unit, in a cluster at rest, and expects exactly what a full scan of all machines by
// the rules says: this machine, or these units out of the way, or nowhere.
func TestDecisions(t *testing.T) {
	eachSeed(t, func(t *rapid.T) {
		w := newWorld(t)
		w.furnish(t)
		name := unit.Name("new@1.service")
		if w.submit(name, cluster.Launched, someText(true).Draw(t, "text")) != nil || w.rules(name).Global {
			t.Skip("not a unit that is placed once")
		}
		verdict := w.scan(name)
		before := w.moment()
		steps := w.decide()
		w.checkChange(before)
		verdict.hold(t, w, steps)
	})
}

// furnish brings machines, and units on them as somebody may have placed them: by the rules, but not the best ones.
func (w *world) furnish(t *rapid.T) {
	for i, has := range rapid.SliceOfN(someCapacity(), 1, 5).Draw(t, "machines") {
		id := cluster.MachineID(fmt.Sprintf("m%d", i+1))
		metadata := map[string]string{"zone": rapid.SampledFrom([]string{"x", "y", "z"}).Draw(t, "zone")}
		if rapid.IntRange(0, 4).Draw(t, "nowhere") == 0 {
			metadata = nil
		}
		w.hosts[id] = &host{id: id, copies: map[unit.Name]cluster.UnitReport{}, record: &cluster.Machine{
			ID: id, Session: cluster.Session{Lease: int64(i + 1), BootID: "boot"}, Metadata: metadata, Capacity: has,
		}}
		w.orders[id] = cluster.Orders{Machine: id, Session: w.hosts[id].record.Session, Units: map[unit.Name]cluster.Order{}, Revision: 1}
		w.hosts[id].report = &cluster.Report{Machine: id, Session: w.hosts[id].record.Session, Orders: 1}
	}
	w.revision = 1
	for i := range rapid.IntRange(0, 8).Draw(t, "units") {
		w.furnishOne(t, unit.Name(fmt.Sprintf([]string{"u%d.service", "new@1%d.service"}[i%2], i)))
	}
	for _, h := range w.present() {
		if rapid.IntRange(0, 4).Draw(t, "cordoned") == 0 {
			w.settings[h.id] = cluster.Settings{Cordoned: true}
		}
		h.report.Units = maps.Clone(h.copies)
		h.acked = 1
	}
	w.strategy = rapid.SampledFrom([]unit.Strategy{"", unit.Pack, unit.SpreadEvenly}).Draw(t, "strategy")
	w.elect()
	if steps := w.decide(); len(steps) > 0 && len(w.trace(steps)) > 0 {
		t.Skip("not at rest")
	}
}

// trace is what steps say but for what is collected.
func (w *world) trace(steps []Step) string {
	for i := range steps {
		steps[i].Collect = nil
	}
	return trace(steps)
}

func (w *world) furnishOne(t *rapid.T, name unit.Name) {
	h := w.hosts[rapid.SampledFrom(slices.Sorted(maps.Keys(w.hosts))).Draw(t, "host")]
	f, err := unit.Parse([]byte(someText(true).Draw(t, "text")))
	if err != nil {
		t.Fatalf("%v", err)
	}
	rules, err := f.Rules(name)
	if err != nil || rules.Global {
		return
	}
	w.revision++
	w.texts[f.ID()] = f
	w.files[f.ID()] = cluster.File{File: f, Revision: w.revision}
	u := cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Launched, Generation: w.revision, Revision: w.revision}
	w.units[name] = u
	if w.bars(h, []unit.Name{name}, nil) != "" {
		delete(w.units, name)
		return
	}
	o := cluster.Order{Content: u.Content, Desired: u.Desired, Generation: u.Generation, Reason: "to begin with", Since: w.now}
	w.orders[h.id].Units[name] = o
	h.copies[name] = follow(cluster.UnitReport{}, o, true)
}

// verdict is what the rules say should become of a unit that is nowhere.
type verdict struct {
	name    unit.Name
	best    cluster.MachineID // where it is placed at once
	victims []int             // or else the priorities of the units that it has to displace, nil for nowhere
	replace bool              // or else it waits for what it replaces
	scan    string            // machine by machine
}

func (w *world) scan(name unit.Name) verdict {
	v := verdict{name: name}
	if h := w.best([]unit.Name{name}); h != nil {
		v.best = h.id
	}
	for _, h := range w.present() {
		why := w.bars(h, []unit.Name{name}, nil)
		v.scan += fmt.Sprintf("%s: %s\n", h.id, why)
		if w.bars(h, []unit.Name{name}, w.replacedOn(h, name)) == "" && len(w.replacedOn(h, name)) > 0 {
			v.replace = true
		}
		if of, ok := w.victims(h, []unit.Name{name}); ok && (v.victims == nil || compareVictimsNaively(of, v.victims) < 0) {
			v.victims = of
		}
	}
	return v
}

// replacedOn are the units on h that have to make way as name replaces them.
func (w *world) replacedOn(h *host, name unit.Name) names {
	all := make(names)
	for other := range w.live(h) {
		if w.aims(name, other, true) {
			for _, follower := range w.followers(other, h) {
				all[follower] = true
			}
		}
	}
	return all
}

// hold compares what was decided.
func (v verdict) hold(t *rapid.T, w *world, steps []Step) {
	var on cluster.MachineID
	for _, h := range w.present() {
		if _, here := w.live(h)[v.name]; here {
			on = h.id
		}
	}
	var left []int
	for _, step := range steps {
		for _, note := range step.Notes {
			if note.Action == Withdraw {
				left = append(left, w.rules(note.Unit).Priority)
			}
		}
	}
	slices.SortFunc(left, func(a, b int) int { return b - a })
	p := w.pending[v.name]
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s: %s\n%s%s%s", v.name, fmt.Sprintf(format, args...), v.scan, trace(steps), w.show())
	}
	switch {
	case v.replace:
		if !p.Waiting || len(left) == 0 {
			fail("should take the place of what it replaces")
		}
	case v.best != "":
		if on != v.best {
			fail("should be on %s, and is on %q", v.best, on)
		}
		if len(left) > 0 {
			fail("fits, and yet others have to leave")
		}
	case v.victims != nil:
		if !slices.Equal(left, v.victims) || !p.Waiting {
			fail("should displace units of priorities %d, and does %d", v.victims, left)
		}
	default:
		if on != "" || len(left) > 0 || p.Waiting {
			fail("should be pending")
		}
	}
}
