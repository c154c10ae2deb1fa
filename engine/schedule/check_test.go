package schedule

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// moment is what the store and the hosts said before the engine decided.
type moment struct {
	orders map[cluster.MachineID]cluster.Orders
	live   map[cluster.MachineID]map[unit.Name]cluster.Order
	there  map[cluster.MachineID]names
	over   map[cluster.MachineID]amounts
	taken  map[cluster.MachineID]map[unit.Name]amounts
	heard  map[cluster.MachineID]int64 // the orders that the machine has confirmed
	unread map[cluster.MachineID]bool  // whose orders cannot be read
}

// leaving is a unit that was taken off a machine.
type leaving struct {
	from cluster.MachineID
	name unit.Name
}

func (w *world) moment() moment {
	m := moment{
		orders: maps.Clone(w.orders), live: make(map[cluster.MachineID]map[unit.Name]cluster.Order),
		there: make(map[cluster.MachineID]names), over: make(map[cluster.MachineID]amounts),
		heard: make(map[cluster.MachineID]int64), unread: make(map[cluster.MachineID]bool), taken: make(map[cluster.MachineID]map[unit.Name]amounts),
	}
	for _, h := range w.present() {
		m.live[h.id] = w.live(h)
		if w.corrupt[record{cluster.KindOrders, string(h.id)}] {
			m.unread[h.id] = true
		}
		m.there[h.id] = w.there(h)
		if h.hears() {
			m.heard[h.id] = h.report.Orders
		}
		m.taken[h.id] = w.taken(h)
		m.over[h.id] = over(total(m.taken[h.id]), w.limits(h))
	}
	return m
}

// lateReset has the watch told everything anew as it was before the last decision.
func (w *world) lateReset() {
	stored, before := w.snapshot(), w.moment()
	var echoes []cluster.Update
	for _, step := range w.think() {
		echoes = append(echoes, w.commit(step))
	}
	w.checkChange(before)
	w.checkLosses(before)
	w.apply(stored)
	for _, u := range echoes {
		w.apply(u)
	}
	w.check()
}

// decideAndCheck decides until there is nothing more to decide.
func (w *world) decideAndCheck() {
	w.now = w.now.Add(time.Second)
	before := w.moment()
	steps := w.decide()
	w.checkNotes(steps)
	w.checkChange(before)
	w.checkLosses(before)
	for range 10 {
		more := w.decide()
		if len(more) == 0 {
			w.check()
			w.checkHomeless()
			return
		}
		for _, step := range more {
			if step.Size() > len(step.Collect) {
				w.t.Fatalf("decided at once again: %s", trace(more))
			}
		}
	}
	w.t.Fatalf("does not end")
}

func (w *world) checkNotes(steps []Step) {
	for _, step := range steps {
		for _, note := range step.Notes {
			if note.Reason == "" && (wild || note.Action == Withdraw) {
				w.t.Fatalf("%s %s on %s without a reason", note.Action, note.Unit, note.Machine)
			}
		}
	}
}

// checkChange holds a decision against what was before: no machine is given more than it has, and
// nothing leaves without need.
func (w *world) checkChange(before moment) {
	for _, h := range w.present() {
		limits := w.limits(h)
		for resource, n := range over(total(w.taken(h)), limits) {
			if was := before.over[h.id][resource]; n > was && !w.hidden(h.id) {
				w.t.Fatalf("%s has %d of %s and is made to give %d more than that, after %d\n%s", h.id, limits[resource], resource, n, was, w.show())
			}
		}
		for name := range w.live(h) {
			if _, had := before.live[h.id][name]; w.emptied(h) && !had && before.live[h.id] != nil && !w.hidden(h.id) {
				w.t.Fatalf("%s is given to %s, which is drained\n%s", name, h.id, w.show())
			}
			if w.settings[h.id].Cordoned && !before.there[h.id][name] && w.left[leaving{h.id, name}] <= before.heard[h.id] {
				w.t.Fatalf("%s is given to %s, which is cordoned", name, h.id)
			}
		}
		if before.live[h.id] == nil || w.hidden(h.id) {
			continue
		}
		for name := range before.live[h.id] {
			if _, still := w.live(h)[name]; !still {
				w.left[leaving{h.id, name}] = w.orders[h.id].Revision
			}
			if _, still := w.live(h)[name]; !still && w.wanted(name) && !w.obscure() {
				if !w.excused(name, h, before) {
					w.t.Fatalf("%s had to leave %s for nothing\n%s", name, h.id, w.show())
				}
			}
		}
	}
}

// excused tells whether there was need for name to leave h.
func (w *world) excused(name unit.Name, h *host, before moment) bool {
	rules := w.rules(name)
	switch {
	case rules.Reschedule && h.report.Units[name].Active == "failed":
		return true
	case w.tornApart(name, h, before), w.unfenced(name, h, before), w.breach(name, h) != "", w.outgrown(name, h, before), w.calledOff(name, h, before), w.overtaken(name, h, before):
		return true
	case w.metRival(name, h, before), w.handedOver(name, h, before):
		return true
	}
	for _, other := range w.present() {
		if _, ordered := w.live(other)[name]; ordered && other != h {
			// It stays on another machine that has it, or goes back to where it runs since before that machine was away.
			return other.copies[name].Running() || before.there[other.id][name]
		}
	}
	return false
}

// outgrown tells whether name has come to need more than its machine has left.
func (w *world) outgrown(name unit.Name, h *host, before moment) bool {
	old, physical := before.live[h.id][name], h.record.Capacity.PhysicalMemory
	was, is := w.needs(name, old.Content, physical), w.needs(name, w.units[name].Content, physical)
	taken := w.taken(h) // others may have come to need more at the same time
	for other, a := range before.taken[h.id] {
		taken[other] = a.most(taken[other])
	}
	taken[name] = is
	excess := over(total(taken), w.limits(h))
	for resource, n := range is {
		if n > was[resource] && excess[resource] > 0 {
			return true
		}
	}
	return false
}

// overtaken tells whether a unit that comes to h may take the place of name: one that replaces it, or, where it
// fits nowhere else, one of higher priority.
func (w *world) overtaken(name unit.Name, h *host, before moment) bool {
	for _, by := range slices.Sorted(maps.Keys(w.there(h))) {
		_, was := before.live[h.id][by]
		_, is := w.live(h)[by]
		if was && is || !is && w.pending[by].Place != h.id || !w.wanted(by) { // one that needs more than it did may have to come again
			continue
		}
		if w.aims(by, name, true) && w.units[by].Generation > w.units[name].Generation {
			return true
		}
		if w.rules(by).Priority > w.rules(name).Priority && !w.rules(name).Kept {
			w.checkNeed(by, name, h)
			return true
		}
	}
	return false
}

// checkNeed: a unit displaces others only if there is no room for it anywhere.
func (w *world) checkNeed(by, victim unit.Name, h *host) {
	g := w.tied(by, func(other unit.Name) bool { return w.there(h)[other] })
	if slices.ContainsFunc(g, func(other unit.Name) bool { return w.ordered(other, h) }) {
		return // one of those that it has to be with is here already
	}
	for _, other := range w.present() {
		if other != h && w.bars(other, g, nil) == "" {
			w.t.Fatalf("%s displaces %s on %s, but there is room for it on %s\n%s", by, victim, h.id, other.id, w.show())
		}
	}
}

// rest lets everybody act until nothing changes any more: this has to come soon.
func (w *world) rest() {
	clear(w.overdue)
	for _, h := range w.present() {
		if h.silent {
			w.attend(h, true)
		}
	}
	for range 60 {
		w.decideAndCheck()
		revision := w.revision
		for _, h := range w.present() {
			w.obey(h, nil)
			w.checkCopies()
		}
		if w.revision != revision {
			continue
		}
		if again := w.state.Again(); again.After(w.now) {
			w.now = again
			continue
		}
		if w.holds() {
			w.acknowledge()
			continue
		}
		w.checkRest()
		return
	}
	w.t.Fatalf("does not come to rest:\n%s", w.show())
}

// checkRest: nothing waits, what fits has a place, wishes are dealt with, and a new engine finds nothing to do.
func (w *world) checkRest() {
	for range 4 { // each is told the facts in another order
		w.checkSuccessor()
	}
	if w.obscure() {
		return
	}
	for name, p := range w.pending {
		if p.Waiting && !w.waits(name) {
			w.t.Fatalf("%s still waits at rest: %s", name, p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.units)) {
		w.checkAtRest(name)
	}
}

func (w *world) checkSuccessor() {
	for r, bad := range w.corrupt {
		if h := w.hosts[cluster.MachineID(r.id)]; bad && r.kind == cluster.KindOrders && h.record == nil {
			return // nobody knows what it had
		}
	}
	successor := w.brain()
	successor.Apply(w.snapshot())
	for _, step := range successor.Decide(w.now) {
		if len(step.Orders)+len(step.Absences)+len(step.Alarms) > 0 || !w.obscure() && w.saysNew(step) {
			told := ""
			for id, a := range step.Absences {
				told += fmt.Sprintf("%s: %+v\n", id, a)
			}
			w.t.Fatalf("a new engine decides anew at %s:\n%s%s%s%s", w.now, trace([]Step{step}), told, w.show(), w.showAbsences())
		}
	}
}

// saysNew tells whether a step says more than that a unit is pending for other reasons than it was at first.
func (w *world) saysNew(step Step) bool {
	for name, p := range step.Pending {
		if _, pending := w.pending[name]; (p != nil) != pending {
			return true
		}
	}
	return len(step.Failures) > 0
}

func (w *world) checkAtRest(name unit.Name) {
	if !w.wanted(name) || w.failures[name].Parked || w.awaited(name) != "" {
		return
	}
	homes := 0
	for _, h := range w.present() {
		order, here := w.live(h)[name]
		if !here {
			continue
		}
		homes++
		if w.emptied(h) && !w.units[name].Global {
			w.checkStuck(name, h)
		}
		if order.Move < w.units[name].Move {
			w.t.Fatalf("%s stays on %s, and nobody has said whether it can be moved\n%s", name, h.id, w.show())
		}
		if w.rules(name).Reschedule && h.copies[name].Active == "failed" && !w.units[name].Global {
			w.t.Fatalf("%s has failed on %s and is left there\n%s", name, h.id, w.show())
		}
	}
	global := w.units[name].Global
	if homes > 1 && !global {
		w.t.Fatalf("%s is on %d machines at rest\n%s", name, homes, w.show())
	}
	if homes > 0 && !global {
		return
	}
	g := []unit.Name{name}
	if !global {
		g = w.tied(name, w.homeless)
	}
	for _, h := range w.present() {
		if _, here := w.live(h)[name]; here {
			continue
		}
		if w.bars(h, g, nil) == "" {
			w.t.Fatalf("%s could be on %s: %s\n%s", g, h.id, w.pending[name], w.show())
		}
		if n, ok := w.victims(h, g); ok && !global {
			w.t.Fatalf("%s could displace units of priorities %d on %s: %s\n%s", g, n, h.id, w.pending[name], w.show())
		}
	}
}

// homeless tells whether the unit wants a place and has none.
func (w *world) homeless(name unit.Name) bool {
	if !w.wanted(name) || w.units[name].Global || w.failures[name].Parked || w.awaited(name) != "" {
		return false
	}
	for _, h := range w.present() {
		if _, here := w.live(h)[name]; here {
			return false
		}
	}
	return true
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

func (w *world) wanted(name unit.Name) bool {
	u, ok := w.units[name]
	return ok && u.Desired != cluster.Inactive && !w.damaged(name)
}

// check holds the orders as they stand against the rules.
func (w *world) check() {
	places := make(map[unit.Name][]cluster.MachineID)
	for _, h := range w.present() {
		for name := range w.live(h) {
			if h.silent && w.corrupt[record{cluster.KindOrders, string(h.id)}] {
				continue // they are written anew when its fleetd is back
			}
			places[name] = append(places[name], h.id)
			if w.damaged(name) || w.hidden(h.id) {
				continue
			}
			if !w.wanted(name) {
				w.t.Fatalf("%s is ordered to have %s, which nobody wants", h.id, name)
			}
			if why := w.breach(name, h); why != "" && !h.silent { // then it is left alone
				w.t.Fatalf("%s on %s: %s\n%s", name, h.id, why, w.show())
			}
		}
	}
	for name, ids := range places {
		if len(ids) > 1 && !w.damaged(name) && !w.units[name].Global {
			w.checkPair(name, ids)
		}
	}
	if w.obscure() {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(w.units)) {
		if w.wanted(name) {
			w.checkReason(name, places[name])
		}
	}
}

// checkHomeless: what the brain counts is what is written.
func (w *world) checkHomeless() {
	counted := make(map[string]int)
	for _, p := range w.pending {
		counted[reasonOf(&p)]++
	}
	if got := w.state.Homeless(); !maps.Equal(got, counted) {
		w.t.Fatalf("the brain counts %v, and %v are pending\n%s", got, counted, w.show())
	}
	for reason := range counted {
		if !slices.Contains(Reasons(), reason) {
			w.t.Fatalf("%q is none of the reasons", reason)
		}
	}
}

// checkReason: who has no place has a reason, and who has one has none.
func (w *world) checkReason(name unit.Name, places []cluster.MachineID) {
	p, pending := w.pending[name]
	switch {
	case len(places) > 0 && pending && w.leaving(name):
		return // why it has not left yet
	case len(places) > 0 && pending:
		w.t.Fatalf("%s has a machine, and is pending: %s", name, p)
	case len(places) == 0 && !pending && !w.unheard(name):
		w.t.Fatalf("%s has no machine and no reason\n%s", name, w.show())
	case pending && p.Generation != w.units[name].Generation && !w.unheard(name):
		w.t.Fatalf("%s: the reason is about an earlier request", name)
	case len(places) > 0 || p.Waiting || w.failures[name].Parked || w.clearing():
		return
	}
	for _, h := range w.present() {
		if w.confirmed(h) && w.bars(h, w.tied(name, w.homeless), nil) == "" && !w.elsewhere(name, h) {
			w.t.Fatalf("%s could be on %s: %s\n%s", name, h.id, p, w.show())
		}
	}
}

// clearing tells whether places are being kept for units, about which nothing can be concluded.
func (w *world) clearing() bool {
	for _, p := range w.pending {
		if p.Waiting {
			return true
		}
	}
	return false
}

// confirmed tells whether the machine has said that it is as it was ordered to be.
func (w *world) confirmed(h *host) bool {
	orders := w.orders[h.id]
	return h.hears() && (len(orders.Units) == 0 || orders.Session == h.record.Session) && h.report.Orders >= orders.Revision
}

// elsewhere tells whether a unit that is tied to name, or itself, may be on another machine.
func (w *world) elsewhere(name unit.Name, than *host) bool {
	for _, h := range w.present() {
		for _, member := range w.tied(name, w.homeless) {
			if h != than && (w.there(h)[member] || !w.confirmed(h)) {
				return true
			}
		}
	}
	return false
}

// unheard tells whether name may be on a machine that has not said yet what is there.
func (w *world) unheard(name unit.Name) bool {
	for _, h := range w.present() {
		_, old := w.orders[h.id].Units[name]
		if _, left := w.orders[h.id].Left[name]; (old || left) && !h.hears() {
			return true
		}
	}
	return false
}

// breach is the rule that the order of name on h breaks.
func (w *world) breach(name unit.Name, h *host) string {
	if why := w.static(name, h); why != "" {
		return why
	}
	for _, peer := range w.rules(name).MachineOf {
		if _, ok := w.live(h)[peer]; !ok && peer != name {
			return "lacks its peer " + string(peer)
		}
	}
	for other := range w.live(h) {
		if !w.damaged(other) && w.rivals(name, other) {
			return "beside " + string(other)
		}
	}
	return ""
}

// checkCopies: no two machines that were present all along run one unit.
func (w *world) checkCopies() {
	copies := make(map[unit.Name][]cluster.MachineID)
	for _, h := range w.present() {
		for name := range h.copies {
			if !h.orphans[name] && !w.multi[name] {
				copies[name] = append(copies[name], h.id)
			}
		}
	}
	for name, on := range copies {
		if len(on) > 1 && !w.paired(name, on) {
			w.t.Fatalf("%s runs on %v\n%s", name, on, w.show())
		}
	}
}
