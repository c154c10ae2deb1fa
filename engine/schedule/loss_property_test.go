package schedule

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

func (w *world) silenceSome(t *rapid.T) {
	h := w.hosts[machineAmong(t, w.among(true))]
	w.attend(h, h.silent)
}

func (w *world) fenceSome(t *rapid.T) {
	sound := rapid.Bool().Draw(t, "sound")
	w.change(machineAmong(t, w.among(true)), func(m *cluster.Machine) {
		m.Fence = cluster.Fence{}
		if sound {
			m.Fence = soundFence
		}
	})
}

func (w *world) overdueSome(t *rapid.T) {
	id := machineAmong(t, w.among(true))
	w.overdue[id] = !w.overdue[id]
}

func (w *world) acknowledgeSome(t *rapid.T) {
	if !w.acknowledge() {
		t.Skip("there is no alarm")
	}
}

func (w *world) forgetSome(t *rapid.T) {
	id := machineAmong(t, w.among(false))
	if w.hosts[id] != nil {
		w.reboot(id) // nothing runs there any more: that is what it means
	}
	w.forget(id)
}

// checkAlone: what must not run twice is started only where nothing of it runs anywhere else, on lost machines neither.
func (w *world) checkAlone(h *host, name unit.Name) {
	if !w.rulesOf(name, h.copies[name].Content).AtMostOnce || !w.rules(name).AtMostOnce {
		return
	}
	for _, other := range w.hosts {
		if c, there := other.copies[name]; there && other != h && (c.Running() || c.Active == "activating") {
			w.t.Fatalf("%s starts on %s while it runs on %s (present: %v)\n%s", name, h.id, other.id, other.record != nil, w.show())
		}
	}
}

// The oracle of losses, from the records alone.

// lost tells whether the machine is lost, with the engine's record of that.
func (w *world) lost(id cluster.MachineID) (cluster.Absence, bool) {
	h := w.hosts[id]
	absence := w.absences[id]
	return absence, h != nil && h.record == nil && absence.State == cluster.StateLost
}

// lastLost is the lost machine that was told last to have the unit; empty if there is none.
func (w *world) lastLost(name unit.Name) cluster.MachineID {
	var last cluster.MachineID
	for id, o := range w.orders {
		_, had := o.Units[name]
		if h := w.hosts[id]; had && (h == nil || h.record == nil) && (last == "" || w.later(name, id, last)) {
			last = id
		}
	}
	return last
}

// later tells whether a had the unit after b, both of which are lost.
func (w *world) later(name unit.Name, a, b cluster.MachineID) bool {
	x, y := w.orders[a], w.orders[b]
	switch {
	case x.Units[name].Takes == b:
		return false
	case y.Units[name].Takes == a:
		return true
	}
	return x.Revision > y.Revision || x.Revision == y.Revision && a > b
}

// awaited is the lost machine that the unit may wait for; empty if there is none. It may do so without need if
// it had another machine since, which a new leader does not know.
func (w *world) awaited(name unit.Name) cluster.MachineID {
	if id := w.loose(name); id != "" {
		return id
	}
	if id := w.lastLost(name); id != "" && w.waitsFor(name, id) {
		return id
	}
	return ""
}

// loose is a lost machine that may run a copy from before the unit said AtMostOnce; empty if there is none.
func (w *world) loose(name unit.Name) cluster.MachineID {
	for _, id := range someMachines {
		if h := w.hosts[id]; w.rules(name).AtMostOnce && !w.units[name].Global && (h == nil || h.record == nil) && w.orders[id].Loose(name) {
			return id
		}
	}
	return ""
}

func (w *world) waitsFor(name unit.Name, id cluster.MachineID) bool {
	rules, absence := w.rules(name), w.absences[id]
	if w.now.Before(w.patience) || w.held(id) {
		return true
	}
	if w.units[name].Move > w.orders[id].Units[name].Move {
		return false
	}
	onLost, after := w.options.OnLost, w.options.ReplaceAfter
	if rules.OnLost != "" {
		onLost = rules.OnLost
	}
	if rules.ReplaceAfter != nil {
		after = *rules.ReplaceAfter
		if rules.OnLost == "" {
			onLost = unit.Replace
		}
	}
	return onLost == unit.Wait || absence.Since.Add(after).After(w.now)
}

// waits tells whether the unit waits for a lost machine, or for a unit that does.
func (w *world) waits(name unit.Name) bool {
	seen := []unit.Name{name}
	for i := 0; i < len(seen); i++ {
		if w.wanted(seen[i]) && w.awaited(seen[i]) != "" {
			return true
		}
		for _, peer := range w.rules(seen[i]).MachineOf {
			if !slices.Contains(seen, peer) {
				seen = append(seen, peer)
			}
		}
	}
	return false
}

// holds tells whether an alarm stands that nobody has acknowledged.
func (w *world) holds() bool {
	alarm, stands := w.alarms[cluster.MassLoss]
	return stands && !w.acks[cluster.MassLoss].Since.Equal(alarm.Since)
}

// counted lists the lost machines that count.
func (w *world) counted() []cluster.MachineID {
	var all []cluster.MachineID
	alarm, stands := w.alarms[cluster.MassLoss]
	for _, id := range someMachines {
		absence, lost := w.lost(id)
		named := stands && slices.Contains(alarm.Machines, id)
		recent := absence.Since.After(w.now.Add(-time.Minute))
		switch {
		case !lost:
		case w.holds() && (named || !absence.Since.Before(alarm.Since)):
			all = append(all, id)
		case !w.holds() && !named && recent:
			all = append(all, id)
		}
	}
	return all
}

func (w *world) exceeds(n, lost int) bool {
	limit := w.options.LossLimit
	return limit < 100 && n >= 2 && n*100 > limit*(lost+len(w.present()))
}

// held tells whether the units of a lost machine wait because too many others are lost or overdue.
func (w *world) held(id cluster.MachineID) bool {
	counted := w.counted()
	overdue := 0
	for _, h := range w.present() {
		if w.overdue[h.id] {
			overdue++
		}
	}
	return slices.Contains(counted, id) && (w.holds() || w.exceeds(len(counted)+overdue, len(counted)))
}

// unfenced tells whether name had to leave h because that has no fence, for too long or for one that has not been asked for before.
func (w *world) unfenced(name unit.Name, h *host, before moment) bool {
	return w.rules(name).AtMostOnce && h.record.Fence.Check() != nil
}

// tornApart tells whether name had to leave h because it has come to say AtMostOnce while it may be on another machine.
func (w *world) tornApart(name unit.Name, h *host, before moment) bool {
	if o := before.live[h.id][name]; !w.rules(name).AtMostOnce || o.Fence != 0 && !o.Unbound {
		return false
	}
	for id, there := range before.there {
		other := w.hosts[id]
		_, left := before.orders[id].Left[name]
		reported := other.report != nil
		if reported {
			_, reported = other.report.Units[name]
		}
		if id != h.id && (there[name] || reported || left && (!other.hears() || other.report.Orders < before.orders[id].Revision)) {
			return true
		}
	}
	return w.loose(name) != ""
}

// checkLosses holds a decision against what was lost before: who waits is placed nowhere, and numbers only grow.
func (w *world) checkLosses(before moment) {
	if counted := w.counted(); !w.holds() && w.exceeds(len(counted), len(counted)) && !w.now.Before(w.patience) {
		w.t.Fatalf("%s are lost, and no alarm was raised\n%s%s", counted, w.show(), w.showAbsences())
	}
	for _, h := range w.present() {
		for name, o := range w.live(h) {
			_, was := before.live[h.id][name]
			if !was && !before.there[h.id][name] && !w.obscure() && w.wanted(name) {
				w.checkArrival(name, h, before)
			}
			undecided := w.units[name].Move > o.Move // then it keeps the order that it has
			if w.wanted(name) && !w.obscure() && !undecided && w.rules(name).AtMostOnce != (o.Fence != 0) {
				w.t.Fatalf("%s on %s has the number %d", name, h.id, o.Fence)
			}
			w.checkNumber(name, h, o, before)
			w.had[name] = h.id
		}
	}
}

func (w *world) checkArrival(name unit.Name, h *host, before moment) {
	if id := w.had[name]; id != "" && !w.units[name].Global {
		_, lost := w.lost(id)
		if _, named := w.orders[id].Units[name]; lost && named && w.waitsFor(name, id) && !w.claims(name, h) {
			w.t.Fatalf("%s is placed on %s, but has to wait for %s\n%s%s", name, h.id, id, w.show(), w.showAbsences())
		}
	}
	if !w.rules(name).AtMostOnce {
		return
	}
	for _, other := range w.present() {
		if _, live := w.live(other)[name]; other != h && (live || before.there[other.id][name] && len(other.copies[name].Content) > 0) {
			w.t.Fatalf("%s is placed on %s while it may be on %s\n%s", name, h.id, other.id, w.show())
		}
	}
}

// claims tells whether name has a machine that it is handed over by to h, or a place there that was cleared for it.
func (w *world) claims(name unit.Name, h *host) bool {
	from := w.live(h)[name].Takes
	if giver := w.hosts[from]; giver != nil {
		if _, has := w.live(giver)[name]; has {
			return true
		}
	}
	return w.pending[name].Place == h.id
}

// checkNumber: a number is kept in a session, and greater than all before it otherwise.
func (w *world) checkNumber(name unit.Name, h *host, o cluster.Order, before moment) {
	if o.Fence == 0 {
		return
	}
	if old, ok := before.live[h.id][name]; ok && old.Fence != 0 && (o.Fence == old.Fence || !before.unread[h.id]) {
		if old.Fence != o.Fence {
			w.t.Fatalf("%s on %s had the number %d and has %d", name, h.id, old.Fence, o.Fence)
		}
		return
	}
	if o.Fence <= w.fences[name] {
		w.t.Fatalf("%s on %s is given the number %d after %d", name, h.id, o.Fence, w.fences[name])
	}
	w.fences[name] = o.Fence
}
