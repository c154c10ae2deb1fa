package schedule

import (
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// admit gives a machine the first orders of its session, made from what its
// report says is there and from the orders of its former session. What it is not ordered
// to have, its agent stops; so this is where a returned machine learns what became of its units.
func (s *State) admit(m *machine) {
	s.returned.drop(m)
	var former map[unit.Name]cluster.Order
	if m.written != nil {
		former = m.written.Units
	}
	names := make(map[unit.Name]struct{})
	for name := range former {
		names[name] = struct{}{}
	}
	for name := range m.report.Units {
		names[name] = struct{}{}
	}

	s.rewriteOrders(m)
	var guests []*guest
	for name := range names {
		t := s.task(name)
		if g := s.guest(m, t, former); g != nil {
			if g.grown == nil {
				g.grown = s.grownSince(m, t, former[name])
			}
			guests = append(guests, g)
			continue
		}
		s.withdrawn[placement{name, m.id}] = withdrawal{why: s.missed(t)}
	}
	slices.SortFunc(guests, func(a, b *guest) int { return byAge(a.task, b.task) })
	for _, g := range guests {
		s.put(m, g.task, s.fenced(m, g.task, g.order))
	}
	s.restand(m)
	for _, g := range guests {
		s.review.add(g.task)
	}
	s.sift(m, guests)
	s.announce(m)
}

// missed is what happened to a unit that a machine has to give up on its return.
func (s *State) missed(t *task) string {
	other, why := s.awaited(t)
	switch homes := t.homes(); {
	case !t.exists:
		return "destroyed while the machine was away"
	case !t.wanted():
		return "wanted inactive"
	case len(homes) > 0:
		return "placed on " + homes[0].id.Short() + " while the machine was away"
	}
	switch {
	case why == waitLoose:
		return "it must not run twice, and may run on " + other.id.Short() + ", which is lost"
	case other != nil:
		return "placed on " + other.id.Short() + " while the machine was away, which is lost now and is waited for"
	}
	return "still leaving another machine"
}

// guest is a unit that may stay on a returned machine.
type guest struct {
	task  *task
	order cluster.Order
	from  *machine  // where a replacement was placed that is not up yet
	grown *quantity // what it needs more than when it came here; nil: nothing
	asIs  bool      // it is not known what is wanted: it stays as it is
}

// guest tells whether a unit found on a machine, or in its former orders, may stay there. Nil: no.
func (s *State) guest(m *machine, t *task, former map[unit.Name]cluster.Order) *guest {
	old, was := former[t.name]
	found, here := m.copyOf(t.name)
	elsewhere := t.homes()
	switch {
	case t.corrupt != "" || t.wanted() && !t.settled():
		if stray, _ := t.alone().former(m); len(elsewhere) > 0 || stray != nil && !here {
			return nil
		}
		return &guest{task: t, order: s.orderAsIs(old, was, found), asIs: true}
	case s.orphan(t):
		if len(elsewhere) > 0 || !here || !found.Running() {
			return nil
		}
		o := s.orderAsIs(old, false, found)
		o.Reason = "kept as it is: asked for after the backup was made that the store was restored from"
		return &guest{task: t, order: o, asIs: true}
	case !t.wanted():
		return nil
	}
	o := t.order()
	o.Reason, o.Since = "kept: already running here when the machine returned", s.now
	if was {
		o.Since = old.Since
	}
	running := here && (found.Active == "active" || found.Active == "reloading" || found.Active == "activating") &&
		!t.rules.AtMostOnce // which was ended with the session that it ran in, whatever is said
	switch {
	case t.record.Global:
		o.Reason = "global: one on every machine that fits"
		return &guest{task: t, order: o}
	case was && m.written.Session == m.record.Session:
		o.Reason, o.Takes = old.Reason, old.Takes // the orders were damaged, but this brain knows them
		return &guest{task: t, order: o}
	case len(elsewhere) == 1 && s.takesOver(t, m, elsewhere[0], old):
		o.Reason, o.Takes = old.Reason, old.Takes
		return &guest{task: t, order: o}
	case running && len(elsewhere) == 1 && s.givesUp(t, m, elsewhere[0], old):
		o.Reason, o.Move = old.Reason, old.Move
		return &guest{task: t, order: o}
	case len(elsewhere) > 0:
		if !running || len(elsewhere) > 1 || s.up(t, elsewhere[0]) || !elsewhere[0].reported() {
			return nil
		}
		if m.emptied() != "" && t.rules.StopsFirst() {
			return nil // it would have to stop here before it starts there, where it is about to
		}
		return &guest{task: t, order: o, from: elsewhere[0]}
	case running:
		return &guest{task: t, order: o}
	case s.unsure(t):
		return nil
	case t.held() || !was && t.story() != nil:
		return nil // it was taken off because it failed
	}
	if stray, _ := t.alone().former(m); stray != nil {
		return nil
	}
	if other, _ := s.awaited(t); other != nil {
		return nil // which has had it since
	}
	o.Reason = "kept: it was here before the machine returned"
	return &guest{task: t, order: o, grown: t.needOn(m)} // it starts anew
}

// orderAsIs orders a unit to stay just as it is: nothing stops because a record cannot be read.
func (s *State) orderAsIs(old cluster.Order, was bool, found cluster.UnitReport) cluster.Order {
	if was {
		return old
	}
	o := cluster.Order{
		Content: found.Content, Desired: cluster.Loaded, Generation: found.Generation,
		Reason: "kept as it is: what is wanted of it cannot be read", Since: s.now,
	}
	if found.Running() {
		o.Desired = cluster.Launched
	}
	return o
}

// sift takes away the guests whose rules do not hold, until those of all others do, and
// then takes the replacements of those that stay off their machines, in the same transaction.
func (s *State) sift(m *machine, guests []*guest) {
	for {
		unfit := slices.IndexFunc(guests, func(g *guest) bool { ok, _ := s.stays(g, m); return !ok && !g.asIs })
		if unfit >= 0 {
			_, says := s.stays(guests[unfit], m)
			s.bar(m, guests[unfit].task, says)
			guests = slices.Delete(guests, unfit, unfit+1)
			continue
		}
		weak := slices.IndexFunc(guests, func(g *guest) bool { o, _ := s.stronger(g.task, m); return o != nil && !g.asIs })
		if weak < 0 {
			break
		}
		o, rule := s.stronger(guests[weak].task, m)
		s.bar(m, guests[weak].task, saysRuns(string(o.name), rule))
		guests = slices.Delete(guests, weak, weak+1)
	}
	for _, g := range guests {
		if g.from == nil {
			continue
		}
		s.remove(g.from, g.task, "taken back by "+m.id.Short()+", where it still runs")
		link(m, g.from)
	}
}

// grownSince is what t needs more of m than it did when it came there: its content has changed meanwhile.
func (s *State) grownSince(m *machine, t *task, old cluster.Order) *quantity {
	content := old.Content
	if found, here := m.copyOf(t.name); here && found.Content != "" {
		content = found.Content
	}
	if content == t.content || !t.settled() {
		return nil
	}
	need := t.needOn(m)
	grown := quantity{v: need.v, more: slices.Clone(need.more)}
	if before := s.needAs(t, content, m, nil); !before.all { // of what is not known any more nothing is held to be there
		grown.add(before, -1)
	}
	return &grown
}

// stays tells whether the rules of a guest hold. What it has grown by has to fit like anything that comes anew.
func (s *State) stays(g *guest, m *machine) (bool, string) {
	if g.grown != nil {
		for i := range s.resources.names {
			if g.grown.at(i) > 0 && m.freeWith(i, nil) < 0 {
				return false, s.lacks(lack{resource: i, needed: g.task.needOn(m).at(i)})
			}
		}
	}
	return s.holds(g.task, m)
}

// link has the orders of two machines written in one transaction.
func link(a, b *machine) {
	for _, m := range []*machine{a, b} {
		if m.with == nil {
			m.with = make(map[*machine]struct{})
		}
	}
	a.with[b], b.with[a] = struct{}{}, struct{}{}
}
