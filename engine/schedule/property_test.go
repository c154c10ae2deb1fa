package schedule

import (
	"flag"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

var (
	someMachines = []cluster.MachineID{"m1", "m2", "m3", "m4"}
	someUnits    = []unit.Name{
		"a.service", "b.service", "c.service", "d.service", "web@1.service", "web@2.service", "web@3.service",
	}
	someGlobs = []string{"a.service", "b.service", "c.service", "web@*.service", "web@1.service", "?.service"}
)

// TestHistories lets a cluster live through random histories, and holds every
// decision of them against a naive reading of the rules.
//
// Unless a seed is given these are the same histories every time, so that a failure is about the
// change at hand. To look for what nobody has seen yet: -rapid.seed=$RANDOM -rapid.checks=10000.
func TestHistories(t *testing.T) {
	const flagName = "rapid.seed"
	given := flag.Lookup(flagName).Value.String()
	defer flag.Set(flagName, given)
	for n := range 10 {
		if given == "0" {
			if err := flag.Set(flagName, strconv.Itoa((n+1)*1_000_003)); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(strconv.Itoa(n), func(t *testing.T) { rapid.Check(t, live) })
	}
}

func live(t *rapid.T) {
	w := &world{sim: newSim(t), t: t}
	t.Repeat(map[string]func(*rapid.T){
		"join":     w.joinSome,
		"lose":     w.loseSome,
		"reboot":   w.rebootSome,
		"settings": w.overlaySome,
		"submit":   w.submitSome,
		"submit2":  w.submitSome,
		"want":     w.wantSome,
		"destroy":  w.destroySome,
		"obey":     w.obeySome,
		"obey2":    w.obeySome,
		"damage":   w.damageSome,
		"decide":   func(*rapid.T) { w.decideAndCheck() },
		"elect":    func(*rapid.T) { w.decideAndCheck(); w.elect() },
		"reset":    func(*rapid.T) { w.lateReset() },
		"rest":     func(*rapid.T) { w.rest() },
	})
	w.rest()
}

// world is a sim that checks itself.
type world struct {
	*sim
	t     *rapid.T
	multi map[unit.Name]bool // units that have been global: several copies may be left of that
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
	w.join(id, map[string]string{"zone": zone}, rapid.SampledFrom([]int{0, 0, 0, 1, 2, 3}).Draw(t, "max"))
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
	w.settings[id] = cluster.Settings{Metadata: map[string]*string{"zone": zone}}
	w.feed(cluster.SettingsChanged{ID: id, Settings: new(w.settings[id])})
}

func (w *world) submitSome(t *rapid.T) {
	name := rapid.SampledFrom(someUnits).Draw(t, "unit")
	pick := func(label string, from []string) string { return rapid.SampledFrom(from).Draw(t, label) }
	text := "[Service]\nExecStart=/bin/" + pick("version", []string{"true", "false"}) + "\n[X-Fleet]\n"
	rules := []string{
		"",
		"MachineMetadata=zone=" + pick("zone", []string{"x", "y"}),
		"MachineID=" + string(rapid.SampledFrom(someMachines).Draw(t, "on")),
		"MachineOf=" + string(rapid.SampledFrom(someUnits).Draw(t, "peer")),
		"Conflicts=" + pick("conflict", someGlobs),
		"Replaces=" + pick("replace", someGlobs),
		"Global=true",
	}
	for _, rule := range rapid.SliceOfN(rapid.SampledFrom(rules), 0, 2).Draw(t, "rules") {
		text += rule + "\n"
	}
	desired := rapid.SampledFrom([]cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Loaded}).Draw(t, "desired")
	if w.submit(name, desired, text) != nil {
		t.Skip("not a unit that the API takes")
	}
	if w.units[name].Global {
		w.spread(name)
	}
}

func (w *world) spread(name unit.Name) {
	if w.multi == nil {
		w.multi = make(map[unit.Name]bool)
	}
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
		if _, ok := w.orders[id]; !ok || w.hosts[id].report == nil || w.hidden(id) {
			t.Skip("no orders")
		}
		w.decideAndCheck()
		w.obey(w.hosts[id], nil)
		r = record{cluster.KindOrders, string(id)}
	}
	w.damage(r, !w.corrupt[r] || r.kind == cluster.KindOrders)
}

// lateReset has the watch told everything anew as it was before the last decision.
func (w *world) lateReset() {
	before := w.snapshot()
	var echoes []cluster.Update
	for _, step := range w.think() {
		echoes = append(echoes, w.commit(step))
	}
	w.apply(before)
	for _, u := range echoes {
		w.apply(u)
	}
	w.check()
}

// decideAndCheck decides until there is nothing more to decide.
func (w *world) decideAndCheck() {
	w.now = w.now.Add(time.Second)
	before := make(map[cluster.MachineID]map[unit.Name]cluster.Order)
	for _, h := range w.present() {
		before[h.id] = w.live(h)
	}
	steps := w.decide()
	for _, step := range steps {
		w.checkNotes(step, before)
	}
	for range 10 {
		more := w.decide()
		if len(more) == 0 {
			w.check()
			return
		}
		for _, step := range more {
			if len(step.Orders)+len(step.Pending) > 0 {
				w.t.Fatalf("decided at once again: %s", trace(more))
			}
		}
	}
	w.t.Fatalf("does not end")
}

// rest lets everybody act until nothing changes any more: this has to come soon.
func (w *world) rest() {
	for range 30 {
		w.decideAndCheck()
		revision := w.revision
		for _, h := range w.present() {
			w.obey(h, nil)
			w.checkCopies()
		}
		if w.revision == revision {
			w.checkRest()
			return
		}
	}
	w.t.Fatalf("does not come to rest:\n%s", w.show())
}

// checkRest: nothing waits, and a new engine finds nothing to do.
func (w *world) checkRest() {
	for name, p := range w.pending {
		if p.Waiting && !w.obscure() {
			w.t.Fatalf("%s still waits at rest: %s", name, p)
		}
	}
	successor := New()
	successor.Apply(w.snapshot())
	for _, step := range successor.Decide(w.now) {
		if len(step.Orders) > 0 {
			w.t.Fatalf("a new engine decides anew:\n%s%s", trace([]Step{step}), w.show())
		}
	}
}

// obscure tells whether there are records that cannot be read.
func (w *world) obscure() bool {
	return slices.Contains(slices.Collect(maps.Values(w.corrupt)), true)
}

func (w *world) damaged(name unit.Name) bool {
	return w.corrupt[record{cluster.KindUnit, string(name)}]
}

func (w *world) hidden(id cluster.MachineID) bool {
	return w.corrupt[record{cluster.KindMachine, string(id)}]
}

func (w *world) rules(name unit.Name) unit.Rules {
	rules, err := w.files[w.units[name].Content].Rules(name)
	if err != nil {
		w.t.Fatalf("%v", err)
	}
	return rules
}

func (w *world) wanted(name unit.Name) bool {
	u, ok := w.units[name]
	return ok && u.Desired != cluster.Inactive && !w.damaged(name)
}

// check holds the orders as they stand against the rules.
func (w *world) check() {
	places := make(map[unit.Name][]cluster.MachineID)
	for _, h := range w.present() {
		for name := range w.live(h) {
			places[name] = append(places[name], h.id)
			if w.damaged(name) || w.hidden(h.id) {
				continue
			}
			if !w.wanted(name) {
				w.t.Fatalf("%s is ordered to have %s, which nobody wants", h.id, name)
			}
			if why := w.breach(name, h); why != "" {
				w.t.Fatalf("%s on %s: %s\n%s", name, h.id, why, w.show())
			}
		}
	}
	for name, ids := range places {
		if len(ids) > 1 && !w.damaged(name) && !w.units[name].Global {
			w.t.Fatalf("%s is ordered on %v", name, ids)
		}
	}
	if w.obscure() {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.units)) {
		if w.wanted(name) {
			w.checkConserving(name, places[name])
		}
	}
}

// breach is the rule that the order of name on h breaks.
func (w *world) breach(name unit.Name, h *host) string {
	rules := w.rules(name)
	if why := w.static(name, h); why != "" {
		return why
	}
	for _, peer := range rules.MachineOf {
		if _, ok := w.live(h)[peer]; !ok && peer != name {
			return "lacks its peer " + string(peer)
		}
	}
	for other := range w.live(h) {
		if w.damaged(other) {
			continue
		}
		if other != name && (w.tied(name, other) || w.tied(other, name)) {
			return "beside " + string(other)
		}
	}
	return ""
}

func (w *world) static(name unit.Name, h *host) string {
	rules := w.rules(name)
	if rules.MachineID != "" && rules.MachineID != string(h.id) {
		return "is not on its machine"
	}
	metadata := w.settings[h.id].Overlay(h.record.Metadata)
	for _, r := range rules.Metadata {
		if !r.Match(metadata) {
			return "lacks " + r.String()
		}
	}
	return ""
}

func (w *world) aims(a, b unit.Name, replaces bool) bool {
	globs := w.rules(a).Conflicts
	if replaces {
		globs = w.rules(a).Replaces
	}
	return slices.ContainsFunc(globs, func(g unit.Glob) bool { return g.Match(b) })
}

func (w *world) tied(a, b unit.Name) bool { return w.aims(a, b, false) || w.aims(a, b, true) }

// there are the units that are, or may be, on a machine.
func (w *world) there(h *host) map[unit.Name]bool {
	all := make(map[unit.Name]bool)
	for name := range w.live(h) {
		all[name] = true
	}
	for name := range h.report.Units {
		all[name] = true
	}
	for name := range w.state.machines[h.id].leaving {
		all[name] = true
	}
	for name, t := range w.state.tasks {
		if t.claim != nil && t.claim.id == h.id {
			all[name] = true
		}
	}
	return all
}

// checkConserving: what could be placed is placed, and what is not has a reason.
func (w *world) checkConserving(name unit.Name, places []cluster.MachineID) {
	p, pending := w.pending[name]
	global := w.units[name].Global
	switch {
	case len(places) > 0 && pending:
		w.t.Fatalf("%s has a machine, and is pending: %s", name, p)
	case len(places) > 0 && !global:
		return
	case len(places) == 0 && !pending && !w.unheard(name):
		w.t.Fatalf("%s has no machine and no reason\n%s", name, w.show())
	case p.Waiting:
		return
	}
	if pending && p.Generation != w.units[name].Generation && !w.unheard(name) {
		w.t.Fatalf("%s: the reason is about an earlier request", name)
	}
	for _, h := range w.present() {
		if !slices.Contains(places, h.id) && w.couldHave(name, h) {
			w.t.Fatalf("%s could be on %s: %s\n%s", name, h.id, p, w.show())
		}
	}
}

func (w *world) unheard(name unit.Name) bool {
	for _, h := range w.present() {
		if _, old := w.orders[h.id].Units[name]; old && (h.report == nil || h.report.Session != h.record.Session) {
			return true
		}
	}
	return false
}

// couldHave reads the rules for placement naively: for units that are not part of a cycle.
func (w *world) couldHave(name unit.Name, h *host) bool {
	if h.report == nil || h.report.Session != h.record.Session || w.static(name, h) != "" {
		return false
	}
	for _, other := range w.present() {
		if _, still := w.orders[other.id].Units[name]; still && other != h && !w.units[name].Global {
			return false
		}
	}
	for _, peer := range w.rules(name).MachineOf {
		if _, ok := w.live(h)[peer]; !ok && peer != name {
			return false
		}
	}
	there := w.there(h)
	for other := range there {
		if other == name {
			continue
		}
		if _, exists := w.units[other]; exists && w.tied(other, name) || w.tied(name, other) {
			return false
		}
	}
	there[name] = true
	limit := h.record.Capacity.MaxUnits
	return limit == 0 || len(there) <= limit
}

// checkNotes: nothing is moved without need, and no machine is given more than it takes.
func (w *world) checkNotes(step Step, before map[cluster.MachineID]map[unit.Name]cluster.Order) {
	for _, note := range step.Notes {
		if note.Machine == "" || w.hosts[note.Machine].record == nil {
			continue
		}
		h := w.hosts[note.Machine]
		old := before[h.id]
		switch note.Action {
		case Place:
			limit := h.record.Capacity.MaxUnits
			if old != nil && limit > 0 && len(w.live(h)) > limit {
				w.t.Fatalf("%s is given %s, more than it takes", h.id, note.Unit)
			}
		case Withdraw:
			if note.Reason == "" {
				w.t.Fatalf("%s is taken off %s without a reason", note.Unit, h.id)
			}
			if old != nil && !w.obscure() && w.wanted(note.Unit) && w.breach(note.Unit, h) == "" && !w.yields(step, note) {
				w.t.Fatalf("%s had to leave %s for nothing: %s\n%s", note.Unit, h.id, note.Reason, w.show())
			}
		}
	}
}

// yields: to a newer unit that replaces it, to the original that came back, to
// its only copy, or to a rival that was there until a third unit took its place in the same moment.
func (w *world) yields(step Step, note Note) bool {
	if strings.HasSuffix(note.Reason, " (Conflicts)") && slices.ContainsFunc(step.Notes, func(n Note) bool {
		return n.Machine == note.Machine && n.Action == Withdraw && strings.HasSuffix(n.Reason, " takes its place")
	}) {
		return true
	}
	if strings.HasPrefix(note.Reason, "taken back by") || strings.HasPrefix(note.Reason, "stays on") {
		return true
	}
	by, ok := strings.CutSuffix(note.Reason, " takes its place")
	return ok && w.aims(unit.Name(by), note.Unit, true) && w.units[unit.Name(by)].Generation > w.units[note.Unit].Generation
}

// checkCopies: no two machines that were present all along run one unit.
func (w *world) checkCopies() {
	copies := make(map[unit.Name][]string)
	for _, h := range w.present() {
		for name := range h.copies {
			if !h.orphans[name] && !w.multi[name] {
				copies[name] = append(copies[name], string(h.id))
			}
		}
	}
	for name, on := range copies {
		if len(on) > 1 {
			w.t.Fatalf("%s runs on %v\n%s", name, on, w.show())
		}
	}
}
