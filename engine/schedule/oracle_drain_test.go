package schedule

import (
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// emptied tells whether the units of h are to go elsewhere.
func (s *sim) emptied(h *host) bool {
	return h.record != nil && s.settings[h.id].Draining(*h.record)
}

// takesFrom is the machine from which the orders of id take the unit over, as long as that has it; empty if they do not.
func (s *sim) takesFrom(name unit.Name, id cluster.MachineID) cluster.MachineID {
	has := func(id cluster.MachineID) bool {
		h := s.hosts[id]
		return h != nil && s.ordered(name, h)
	}
	from := s.orders[id].Units[name].Takes
	if !has(id) || !has(from) || from == id || has(s.orders[from].Units[name].Takes) {
		return ""
	}
	return from
}

// givenAway tells whether another machine takes the unit over from id.
func (s *sim) givenAway(name unit.Name, id cluster.MachineID) bool {
	return slices.ContainsFunc(s.present(), func(h *host) bool { return s.takesFrom(name, h.id) == id })
}

// pairUp notes between which machines units are handed over.
func (s *sim) pairUp() {
	for _, h := range s.present() {
		for name := range s.live(h) {
			if from := s.takesFrom(name, h.id); from != "" {
				s.pairs[name] = [2]cluster.MachineID{from, h.id}
			}
		}
	}
}

// paired tells whether two copies are of the last hand-over.
func (s *sim) paired(name unit.Name, on []cluster.MachineID) bool {
	p := s.pairs[name]
	return len(on) == 2 && (on[0] == p[0] && on[1] == p[1] || on[0] == p[1] && on[1] == p[0])
}

// checkPair: a unit is on two machines only while one of them takes it over from the other.
func (w *world) checkPair(name unit.Name, ids []cluster.MachineID) {
	if w.rules(name).AtMostOnce || len(ids) != 2 || w.takesFrom(name, ids[0]) != ids[1] && w.takesFrom(name, ids[1]) != ids[0] {
		w.t.Fatalf("%s is ordered on %v\n%s", name, ids, w.show())
	}
}

// leaving tells whether the unit is to leave a machine, or could be on its way.
func (w *world) leaving(name unit.Name) bool {
	return slices.ContainsFunc(w.present(), func(h *host) bool {
		o, here := w.live(h)[name]
		return here && (w.emptied(h) || w.units[name].Move > o.Move || w.tiedToMover(name, h))
	})
}

// tiedToMover tells whether a unit that name is tied to on h was asked to leave it.
func (w *world) tiedToMover(name unit.Name, h *host) bool {
	return slices.ContainsFunc(w.tiedOn(name, h), func(other unit.Name) bool {
		return w.units[other].Move > w.live(h)[other].Move
	})
}

// tiedOn are the units on h that name would have to leave it with, itself included.
func (w *world) tiedOn(name unit.Name, h *host) []unit.Name {
	return w.tied(name, func(other unit.Name) bool {
		_, here := w.live(h)[other]
		return here && w.wanted(other) && !w.units[other].Global
	})
}

// handedOver tells whether name left h because it is up where it was handed over to, or stops before it starts there.
func (w *world) handedOver(name unit.Name, h *host, before moment) bool {
	order := before.live[h.id][name]
	g := w.tied(name, func(other unit.Name) bool {
		_, had := before.live[h.id][other]
		return had && w.wanted(other) && !w.units[other].Global
	})
	asked := slices.ContainsFunc(g, func(other unit.Name) bool {
		o := before.live[h.id][other]
		return w.units[other].Move > o.Move
	})
	if !asked && !w.emptied(h) {
		return false
	}
	stopFirst := slices.ContainsFunc(g, func(other unit.Name) bool { r := w.rules(other); return r.StopsFirst() })
	activating := slices.ContainsFunc(g, func(other unit.Name) bool { return h.report.Units[other].Active == "activating" })
	if stopFirst || asked && activating {
		for by := range w.units { // which may take the place that is kept for name as well
			if w.aims(by, name, true) && w.units[by].Generation > w.units[name].Generation {
				return true
			}
		}
		return w.pending[name].Place != "" && w.pending[name].Waiting
	}
	for _, to := range w.present() {
		o, taking := before.live[to.id][name]
		if !taking || o.Takes != h.id {
			continue
		}
		r := to.report.Units[name]
		done := r.Generation >= w.units[name].Generation
		runs := h.report.Units[name].Running()
		if done && (r.Active == "active" || o.Desired == cluster.Loaded || order.Desired == cluster.Loaded || !runs) {
			return true
		}
		w.t.Fatalf("%s left %s before it was up on %s (%+v)\n%s", name, h.id, to.id, r, w.show())
	}
	return false
}

// metRival tells whether name found itself together with a rival that was about to leave h, which may not be said before.
func (w *world) metRival(name unit.Name, h *host, before moment) bool {
	for other, o := range before.live[h.id] {
		if w.rivals(name, other) && (w.emptied(h) || w.units[other].Move > o.Move) {
			return true
		}
	}
	return false
}

// calledOff tells whether name was only to take over from another machine, where it stays or has been taken off by others.
func (w *world) calledOff(name unit.Name, h *host, before moment) bool {
	from := before.live[h.id][name].Takes
	if _, had := before.live[from][name]; !had {
		return false
	}
	_, still := w.live(w.hosts[from])[name]
	return still || w.pending[name].Place != "" // it is to stop there first now
}

// checkStuck: what is left on a machine that is drained cannot leave, and there is a reason.
func (w *world) checkStuck(name unit.Name, h *host) {
	p, pending := w.pending[name]
	if !pending || p.Generation != w.units[name].Generation {
		w.t.Fatalf("%s is still on %s, which is drained, and nobody says why\n%s", name, h.id, w.show())
	}
	if !strings.Contains(p.String(), "cannot leave "+string(h.id)) && !strings.Contains(p.String(), "waits to leave "+string(h.id)) {
		w.t.Fatalf("%s is still on %s, which is drained: %s\n%s", name, h.id, p, w.show())
	}
	g := w.tiedOn(name, h)
	if strings.Contains(p.String(), "waits to leave") || slices.ContainsFunc(g, func(other unit.Name) bool { return w.failures[other].Parked }) {
		return
	}
	for _, to := range w.present() {
		if to == h {
			continue
		}
		if w.bars(to, g, nil) == "" {
			w.t.Fatalf("%s could go from %s to %s: %s\n%s", g, h.id, to.id, p, w.show())
		}
		if n, ok := w.victims(to, g); ok {
			w.t.Fatalf("%s could displace units of priorities %d on %s: %s\n%s", g, n, to.id, p, w.show())
		}
	}
}
