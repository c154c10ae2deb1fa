package schedule

import (
	"fmt"
	"slices"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// house finds a machine for a unit that has none, or says why there is none.
func (s *State) house(t *task) {
	s.homeless.drop(t)
	if t.housing || !t.wanted() || t.record.Global || t.hasHome() {
		return
	}
	if !t.settled() {
		s.release(t)
		s.pend(t.alone(), cluster.Pending{Message: t.problem})
		return
	}
	if t.held() {
		s.hold(t)
		return
	}
	if m, why := s.awaited(t); why != waitNot {
		s.awaitLost(t, m, why)
		return
	}
	t.housing = true
	defer func() { t.housing = false }()
	g := s.groupOf(t)
	for _, member := range g {
		s.homeless.drop(member)
	}
	s.houseSuccessorsFirst(g)
	if t.hasHome() {
		return
	}
	s.houseGroup(g)
}

// houseSuccessorsFirst places those who take the place of one of the group: they decide about its own.
func (s *State) houseSuccessorsFirst(g group) {
	for _, t := range g {
		for _, sel := range t.matched[replaces] {
			for _, o := range sortedTasks(sel.owners) {
				if s.homeless.has(o) && newer(o, t) {
					s.house(o)
				}
			}
		}
	}
}

func (s *State) houseGroup(g group) {
	if why := g[0].contradiction(); why != "" { // then it is alone
		s.refuse(g, cluster.Pending{Message: why})
		return
	}
	if m := g.unheard(); m != nil {
		s.hearOut(g, m)
		return
	}
	if peer := g.absent(); peer != nil {
		s.refuse(g, cluster.Pending{
			Waiting: peer.expected,
			Peers:   []unit.Name{peer.name},
			Message: fmt.Sprintf("MachineOf names %s, which is not placed", peer.name),
		})
		return
	}
	for range s.maxRounds() {
		c := s.chooseAgain(g)
		switch {
		case (c.machine == nil || c.class == takes) && g.goBack():
			continue
		case c.machine == nil:
			s.houseSome(g)
		case g.isElsewhere(c.machine):
			t, m := g.former(c.machine)
			s.await(g, string(t.name), m)
		case c.class == fits:
			s.settle(g, c)
		case c.class == takes && s.take(g, c):
			continue // those that had to go had not come yet
		default:
			s.await(g, g.obstructing(c.machine), c.machine)
		}
		return
	}
	for _, t := range g {
		s.homeless.add(t) // see maxRounds
	}
}

// houseSome records why the group has no machine, and places that part of it which must not go
// without one because of the others.
func (s *State) houseSome(g group) {
	s.refuse(g, s.whyNowhere(g))
	part := g.veterans()
	if part == nil && !s.roomWouldDo(g) {
		part = g.trunk()
	}
	if part != nil {
		s.houseGroup(part)
	}
}

// roomWouldDo tells whether the group lacks nothing but room on some machine.
func (s *State) roomWouldDo(g group) bool {
	return slices.ContainsFunc(s.listed, func(m *machine) bool { return s.suitsButRoom(g, m).class != impossible })
}

// unheard returns a machine that is back and has not said yet whether it runs one of the group.
func (g group) unheard() *machine {
	for _, t := range g {
		for _, m := range t.where {
			if !m.reported() {
				return m
			}
		}
	}
	return nil
}

// hearOut waits for a machine that is back to say what runs there, which takes it a moment.
// For that, nothing is written about units that nobody has just asked for anything.
func (s *State) hearOut(g group, m *machine) {
	for _, t := range g {
		s.release(t)
		s.expect(t, true)
	}
	if slices.ContainsFunc(g, (*task).fresh) {
		s.pend(g, cluster.Pending{Waiting: true, Message: "waiting for " + m.id.Short() + " to report what it runs"})
	}
}

// former returns a member that is not gone from a machine other than m, with
// that machine. A unit is ordered onto a machine only when it is gone from all others.
func (g group) former(m *machine) (*task, *machine) {
	for _, t := range g {
		for _, other := range t.where {
			if other != m && other.still(t.name) {
				return t, other
			}
		}
	}
	return nil, nil
}

func (g group) isElsewhere(m *machine) bool {
	t, _ := g.former(m)
	return t != nil
}

// settle places the group.
func (s *State) settle(g group, c choice) {
	if c.why == whyClaim {
		s.provoke(g.priority())
	}
	reason := s.reason(g, c)
	for _, t := range g {
		o := t.order()
		o.Reason, o.Since = t.reasonOn(c.machine, reason(t)), s.now
		if m := c.machine; m.written != nil && m.live() {
			if old, ok := m.written.Units[t.name]; ok && old.Content == o.Content {
				o.Reason, o.Since = old.Reason, old.Since // it has not left
			}
		}
		o = s.fenced(c.machine, t, o)
		if t.claim != c.machine {
			s.release(t)
		}
		t.claim, t.because, t.shunned = nil, "", nil
		s.put(c.machine, t, o)
		s.want(t, nil)
	}
	s.last = latest{}
	if t := g[0]; c.why == whyBest && len(g) == 1 && len(t.where) == 1 && s.common(t) {
		s.last = latest{t.need, c.machine, s.changes}
	}
}

// reserve keeps the place on m for the group.
func (s *State) reserve(g group, m *machine) {
	for _, t := range g {
		if t.claim != m {
			s.release(t)
			t.claim = m
			s.stand(m, t)
		}
	}
}

// take keeps the place for the group, takes off the machine what makes way for it,
// and tells whether any of that is gone already.
func (s *State) take(g group, c choice) bool {
	m := c.machine
	s.reserve(g, m)
	for _, t := range g {
		if len(c.victims) > 0 {
			t.because = "takes the place of units of lower priority: " + group(c.victims).names()
		}
	}
	before := len(m.tasks)
	for _, o := range c.victims {
		o.note = displacedBy(g[0])
		s.remove(m, o, o.note)
	}
	for _, t := range g {
		for _, sel := range t.demands[replaces] {
			for _, o := range sel.targetsOn(m, t) {
				s.remove(m, o, string(t.name)+" takes its place")
				if o.claim == m {
					s.release(o)
				}
			}
		}
	}
	return len(m.tasks) < before
}

// refuse records why the group has no machine.
func (s *State) refuse(g group, p cluster.Pending) {
	for _, t := range g {
		s.release(t)
	}
	s.pend(g, p)
}

// await records what the group waits for.
func (s *State) await(g group, what string, m *machine) {
	s.pend(g, cluster.Pending{Waiting: true, Message: fmt.Sprintf("waiting for %s to stop on %s", what, m.id.Short())})
	for _, t := range g {
		t.awaits = m
		m.waiters.add(t)
	}
}

// obstructing names what has to leave m before the group can come: the units
// that the rules are about, or else, where it is only about room, whatever is leaving.
func (g group) obstructing(m *machine) string {
	var tied, any []string
	for _, o := range sortedTasks(m.tasks) {
		if m.tasks[o].standing != lingering || slices.Contains(g, o) {
			continue
		}
		any = append(any, string(o.name))
		if slices.ContainsFunc(g, func(t *task) bool { return related(t, o) }) {
			tied = append(tied, string(o.name))
		}
	}
	switch {
	case len(tied) > 0:
		return some(tied)
	case len(any) == 0:
		return g.names()
	case len(any) > 1 && g[0].claim != m:
		return "one of " + some(any)
	}
	return some(any)
}

// some lists the first few names.
func some(names []string) string {
	const few = 5
	if len(names) <= few {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
}
