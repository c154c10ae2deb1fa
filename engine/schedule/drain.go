package schedule

import (
	"cmp"
	"maps"
	"slices"

	"fleet/cluster"
)

// A machine that is being drained, or whose host is being shut down, gives its units to others: each unit that has a
// place elsewhere leaves, with all that are tied to it here, and what has none stays and says why. Those that
// somebody asked to be moved leave in the same way. How they leave is in handover.go.

// drainRule keeps everything new from a machine that is being emptied.
const drainRule = "Drain"

// emptied says why the units of m are to go elsewhere; empty if they are not. What cannot be read says nothing.
func (m *machine) emptied() string {
	switch {
	case m.record == nil || m.bad[cluster.KindSettings]:
		return ""
	case m.record.Leaving:
		return "is being shut down"
	case m.settings.Draining(*m.record):
		return "is being drained"
	}
	return ""
}

// closed tells whether m is to be given no further units.
func (m *machine) closed() bool { return m.settings.Cordoned || m.emptied() != "" }

// placeDrain: a machine that is being emptied is no place for anything but the global units that it has.
func placeDrain(_ *State, _ group, t *task, m *machine) fit {
	switch {
	case m.emptied() == "" || t.record.Global && m.tasks[t].standing == ordered:
		return fit{}
	case m.record.Leaving:
		return never("are being shut down")
	}
	return never("are being drained")
}

// asks tells whether somebody has asked for t to leave its home, and nobody has answered yet.
func (t *task) asks(home *machine) bool { return t.record.Move > home.orderFor(t).Move }

// due tells whether t is to leave its home: because that is being emptied, or because somebody asked it of t or,
// if it is leaving already, of a unit that it is tied to.
func (t *task) due(home *machine) bool {
	return home.emptied() != "" || t.asks(home) || t.taker() != nil && t.together(home).asker(home) != nil
}

// isDue tells whether t is to leave the machine that it has.
func (t *task) isDue() bool {
	return t.wanted() && t.settled() && !t.record.Global && slices.ContainsFunc(t.homes(), t.due)
}

// asker returns the member that somebody asked to leave home, nil if there is none.
func (g group) asker(home *machine) *task {
	for _, t := range g {
		if t.asks(home) {
			return t
		}
	}
	return nil
}

// unsure tells whether it is unknown whether the units of m are to leave it.
func (m *machine) unsure() bool { return m.record == nil || m.bad[cluster.KindSettings] }

// seekers are the units that want a place, the most urgent first. Of the same priority those that have none come first.
func (s *State) seekers() []*task {
	batch := slices.Collect(maps.Keys(s.homeless.of))
	if s.leavers.empty() {
		slices.SortFunc(batch, byUrgency)
		return batch
	}
	batch = slices.AppendSeq(batch, maps.Keys(s.leavers.of))
	slices.SortFunc(batch, func(a, b *task) int {
		return cmp.Or(
			-cmp.Compare(a.rules.Priority, b.rules.Priority),
			cmp.Compare(s.leaverRank(a), s.leaverRank(b)),
			byAge(a, b))
	})
	return slices.Compact(batch)
}

func (s *State) leaverRank(t *task) int {
	if s.leavers.has(t) {
		return 1
	}
	return 0
}

// stay has a unit stay where it is at home: no place is kept for it elsewhere, and what was to take it over goes.
func (s *State) stay(t *task, home *machine) {
	s.leavers.drop(t)
	s.release(t) // whoever had to leave for it may have the place as long as nobody knows
	if home.unsure() {
		s.keepHandingOver(t, home)
		return
	}
	if to := t.taker(); to != nil {
		s.remove(to, t, "stays on "+home.id.Short())
	}
	if t.failing != nil && !t.rules.Reschedule {
		s.weigh(t) // that it could not go elsewhere is of no interest any more
	}
	s.want(t, nil)
}

// moveOut brings a unit on its way off its machine, with all that are tied to it there, as far as it can come now.
func (s *State) moveOut(t *task) {
	s.leavers.drop(t)
	homes := t.homes()
	if !t.wanted() || t.record.Global || len(homes) != 1 || !t.due(homes[0]) {
		return
	}
	home := homes[0]
	g := t.together(home)
	slices.SortFunc(g, byUrgency)
	for _, u := range g {
		s.leavers.drop(u)
	}
	if !s.handing(g, home) && g.unheard() == nil {
		s.leave(g, home)
	}
}

// leave finds a place for a group that is to leave its home, and has it begin to leave, or says why it cannot.
func (s *State) leave(g group, home *machine) {
	if u := g.obscure(); u != nil {
		s.stuck(g, home, cluster.Pending{Message: cmp.Or(u.problem, "the record of "+string(u.name)+" cannot be read")})
		return
	}
	if home.silent() {
		s.pend(g, cluster.Pending{Waiting: true, Message: "leaves " + home.id.Short() + " as soon as its fleetd is back, which would have to stop it"})
		return
	}
	if t := g.asker(home); t != nil {
		s.leaveAsked(g, t, home)
		return
	}
	if u := g.starting(home); u != nil {
		s.pend(g, cluster.Pending{Waiting: true, Message: "leaves " + home.id.Short() + " as soon as " + string(u.name) + " is up, or has ended"})
		return
	}
	for range s.maxRounds() {
		c, held := s.chooseElsewhere(g)
		switch {
		case held != nil:
			s.holdBack(g, held, home)
		case c.machine == nil:
			s.stuck(g, home, s.whyStuck(g, home))
		case c.why != whyClaim && s.queue(g, home): // who has a place kept for him that others had to leave takes it
		case g.besides(c.machine, home) != nil:
			m := g.besides(c.machine, home)
			s.await(g, g.leftOn(m), m)
		case c.class == fits:
			s.send(g, home, c)
		case c.class == takes && s.take(g, c):
			continue
		default:
			s.await(g, g.obstructing(c.machine), c.machine)
		}
		return
	}
}

// obscure returns a member of which it is not known what it demands, nil if there is none.
func (g group) obscure() *task {
	for _, t := range g {
		if !t.settled() {
			return t
		}
	}
	return nil
}

// starting returns a member whose start, or whose work, is under way at home: it is neither cut short nor begun a
// second time. Nil: there is none.
func (g group) starting(home *machine) *task {
	for _, t := range g {
		if r, ok := home.copyOf(t.name); ok && r.Active == "activating" && r.Sub != "auto-restart" {
			return t
		}
	}
	return nil
}

// chooseElsewhere picks the machine for a group that is to leave its home. One on which one of them could not be
// handed over comes only after all others, and not before its time: then the unit is returned that waits for that.
func (s *State) chooseElsewhere(g group) (choice, *task) {
	failed := g.forgive(0)
	c := s.choose(g)
	if failed == 0 || c.machine != nil && c.class < takes {
		return c, nil
	}
	for _, t := range g {
		if t.held() {
			return choice{}, t
		}
	}
	return s.chooseAgain(g), nil
}

// besides returns a machine other than the two on which one of the group may still be.
func (g group) besides(to, home *machine) *machine {
	for _, t := range g {
		for _, m := range t.where {
			if m != to && m != home && m.still(t.name) {
				return m
			}
		}
	}
	return nil
}

// leftOn names the members that may still be on m.
func (g group) leftOn(m *machine) string {
	var left []string
	for _, t := range g {
		if m.still(t.name) {
			left = append(left, string(t.name))
		}
	}
	return some(left)
}

// stuck records why a group cannot leave its home.
func (s *State) stuck(g group, home *machine, p cluster.Pending) {
	p.Message = "cannot leave " + home.id.Short() + ": " + p.String()
	s.refuse(g, p)
}

// whyStuck is why no other machine may have the group.
func (s *State) whyStuck(g group, home *machine) cluster.Pending {
	if t := g[0]; len(s.unplaced.of) > fewUnplaced && t.want != nil && !t.want.Waiting && t.want.Generation == t.record.Generation && len(t.want.Excluded) > 0 {
		p := *t.want // as in whyNowhere
		p.Message = ""
		return p
	}
	p := s.explainBut(g, home)
	if p.Machines == 0 {
		p.Message = "there is no other machine"
	}
	return p
}

// holdBack records that a group stays at home for a while, because t has failed wherever it could go.
func (s *State) holdBack(g group, t *task, home *machine) {
	f := t.story()
	if f.Parked {
		s.stuck(g, home, cluster.Pending{Message: string(t.name) + " failed " + placesOf(f) + "; it is not tried again"})
		return
	}
	s.refuse(g, cluster.Pending{Waiting: true, Message: "cannot leave " + home.id.Short() + " yet: " + string(t.name) + " failed " + placesOf(f) + "; tried again at " + f.Next.UTC().Format(forPeople)})
}
