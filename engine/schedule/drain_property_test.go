package schedule

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestDrains is TestHistories with little else than machines that are emptied, lost in the middle and back again, and
// units that fail, end or hang where they go.
func TestDrains(t *testing.T) {
	eachSeed(t, func(t *rapid.T) {
		w := newWorld(t)
		d := drains{w}
		for range 3 {
			w.joinSome(t)
			d.submit(t)
		}
		t.Repeat(map[string]func(*rapid.T){
			"join":     w.joinSome,
			"lose":     d.loseOne,
			"reboot":   w.rebootSome,
			"drain":    w.drainSome,
			"drain2":   w.drainSome,
			"drain3":   w.drainSome,
			"shutdown": w.shutdownSome,
			"cordon":   w.cordonSome,
			"capacity": w.capacitySome,
			"settings": w.overlaySome,
			"submit":   d.submit,
			"want":     w.wantSome,
			"move":     w.moveSome,
			"end":      d.endOne,
			"fail":     d.failOne,
			"fail2":    d.failOne,
			"hang":     d.hangOne,
			"wait":     w.waitSome,
			"obey":     w.obeySome,
			"obey2":    w.obeySome,
			"settle":   d.settle,
			"damage":   d.damage,
			"decide":   func(*rapid.T) { w.decideAndCheck() },
			"decide2":  func(*rapid.T) { w.decideAndCheck() },
			"elect":    w.electSome,
			"reset":    func(*rapid.T) { w.lateReset() },
			"rest":     func(*rapid.T) { d.finish(); w.rest() },
		})
		d.finish()
		w.rest()
	})
}

// drainedNeeds are what units reserve, whatever else their files say. Needs that change are for TestHistories, and for the scenario
// "shrinks": when one changes in the decision in which a unit is handed over and then displaced where it went, checkChange cannot tell
// that from one that left for nothing.
var drainedNeeds = map[unit.Name]string{
	"a.service": "MemoryReserve=1G", "b.service": "MemoryReserve=4G", "web@1.service": "MemoryReserve=1G", "web@3.service": "MemoryReserve=2G",
}

// drains are histories of machines that are emptied.
type drains struct{ *world }

func (d drains) submit(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	lines := []string{"[Service]", "ExecStart=/bin/" + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "version"), "[X-Fleet]"}
	for _, choices := range [][]string{
		{"", "", "HandOver=stop-first", "HandOver=stop-first\nMaxUnavailable=2", "HandOver=stop-first\nMaxUnavailable=100%"},
		{"", "", "", "MachineOf=a.service", "MachineOf=" + string(rapid.SampledFrom(someUnits).Draw(t, "peer"))},
		{"", "", "", "Conflicts=web@*.service", "Spread=zone:1:required", "Spread=machine", "Reschedule=on-failure", "Replaces=b.service", "MachineMetadata=zone=x"},
		{drainedNeeds[name]},
		{"", "", "", "Priority=100", "Priority=500"},
	} {
		lines = append(lines, rapid.SampledFrom(choices).Draw(t, "line"))
	}
	desired := rapid.SampledFrom([]cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Launched, cluster.Loaded}).Draw(t, "desired")
	if d.world.submit(name, desired, strings.Join(lines, "\n")+"\n") != nil {
		t.Skip("not a unit that the API takes")
	}
}

func (d drains) loseOne(t *rapid.T) { d.lose(machineAmong(t, d.among(true))) }

// someCopy picks a unit and a machine that has it active.
func (d drains) someCopy(t *rapid.T) (*host, unit.Name) {
	h := d.hosts[machineAmong(t, d.among(true))]
	var running []unit.Name
	for _, name := range slices.Sorted(maps.Keys(h.copies)) {
		if h.copies[name].Active == "active" {
			running = append(running, name)
		}
	}
	if len(running) == 0 {
		t.Skip("nothing runs there")
	}
	return h, rapid.SampledFrom(running).Draw(t, "unit")
}

func (d drains) failOne(t *rapid.T) {
	h, name := d.someCopy(t)
	d.failOn(name, h.id)
}

// endOne has a unit end by itself, without failing.
func (d drains) endOne(t *rapid.T) {
	h, name := d.someCopy(t)
	c := h.copies[name]
	c.Active, c.Sub, c.Result = "inactive", "dead", "success"
	h.copies[name] = c
	d.write(h)
}

// hangOne has a unit be at work: it is starting, until the machine is told something new.
func (d drains) hangOne(t *rapid.T) {
	h, name := d.someCopy(t)
	c := h.copies[name]
	c.Active, c.Sub = "activating", "start"
	h.copies[name] = c
	d.write(h)
}

func (d drains) settle(*rapid.T) {
	for range 3 {
		d.decideAndCheck()
		for _, h := range d.present() {
			d.obey(h, nil)
			d.checkCopies()
		}
	}
}

// damage makes a machine's record or settings unreadable, or readable again.
func (d drains) damage(t *rapid.T) {
	r := record{cluster.KindMachine, string(machineAmong(t, d.among(true)))}
	if h := d.hosts[cluster.MachineID(r.id)]; !d.confirmed(h) {
		t.Skip("a successor would not know what it may still have")
	}
	d.world.damage(r, !d.corrupt[r])
}

// finish has everything be up that hangs, as it is at some time.
func (d drains) finish() {
	for _, h := range d.present() {
		for name, c := range h.copies {
			if c.Active == "activating" && c.Content != "" && c.Generation > 0 {
				c.Active, c.Sub = "active", "running"
				h.copies[name] = c
			}
		}
		d.write(h)
	}
}
