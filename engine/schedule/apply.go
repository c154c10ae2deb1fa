package schedule

import (
	"fmt"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// Apply takes in what the store says. Everything that was decided before must
// have been committed.
func (s *State) Apply(u cluster.Update) {
	if u.Reset {
		s.reset(u)
		return
	}
	s.absorb(u)
	s.wrote = slices.DeleteFunc(s.wrote, func(w write) bool { return w.revision <= u.Revision })
}

// reset starts anew from a whole snapshot. Own writes that are younger than
// the snapshot, and what machines have not confirmed yet, are not forgotten.
func (s *State) reset(u cluster.Update) {
	old := *s
	*s = *New()
	s.absorb(u)
	for _, w := range old.wrote {
		if w.revision > u.Revision {
			s.wrote = append(s.wrote, w)
			s.takeIn(w.decision, w.revision)
		}
	}
	for id, m := range old.machines {
		now, ok := s.machines[id]
		if !ok || now.record == nil || m.record == nil || now.record.Session != m.record.Session {
			continue
		}
		for name, revision := range m.leaving {
			now.leave(name, revision)
		}
		s.restand(now)
	}
	s.recallLeaving()
}

// recallLeaving: a former leader wrote that a unit waits, in the same breath in
// which it took it off a machine. While a machine has not confirmed its orders, the unit may be there.
func (s *State) recallLeaving() {
	var waiting []*task
	for _, t := range s.tasks {
		if t.written != nil && t.written.Waiting {
			waiting = append(waiting, t)
		}
	}
	if len(waiting) == 0 {
		return
	}
	for _, m := range s.machines {
		if !m.live() || m.written == nil || m.confirmed(m.written.Revision) {
			continue
		}
		for _, t := range waiting {
			if _, there := m.written.Units[t.name]; !there {
				m.leave(t.name, m.written.Revision)
				s.stand(m, t)
			}
		}
	}
}

// absorb takes in the changes, and then brings up to date what is derived from several of them.
func (s *State) absorb(u cluster.Update) {
	a := &absorbing{State: s, revision: u.Revision, machines: make(map[*machine]struct{}), tasks: make(map[*task]struct{})}
	for _, c := range u.Changes {
		a.change(c)
	}
	for m := range a.machines {
		s.refreshMachine(m)
	}
	if a.files {
		for t := range s.troubled.of {
			a.tasks[t] = struct{}{}
		}
	}
	for t := range a.tasks {
		s.readRules(t)
		s.review.add(t)
	}
}

type absorbing struct {
	*State
	revision int64
	machines map[*machine]struct{} // that are to be refreshed
	tasks    map[*task]struct{}    // whose record changed
	files    bool                  // a file came, or became readable
}

func (a *absorbing) change(c cluster.Change) {
	switch c := c.(type) {
	case cluster.UnitChanged:
		a.unitChanged(c.Name, c.Unit, "")
	case cluster.FileChanged:
		a.fileChanged(c)
	case cluster.MachineChanged:
		m := a.dirty(c.ID, cluster.KindMachine, false)
		if m.record != nil && c.Machine != nil && m.record.Session != c.Machine.Session {
			m.leaving = nil
		}
		m.record = c.Machine
	case cluster.SettingsChanged:
		m := a.dirty(c.ID, cluster.KindSettings, false)
		m.settings = cluster.Settings{}
		if c.Settings != nil {
			m.settings = *c.Settings
		}
	case cluster.OrdersChanged:
		a.ordersChanged(c)
	case cluster.ReportChanged:
		a.reportChanged(c)
	case cluster.PendingChanged:
		a.pendingChanged(c.Name, c.Pending, false)
	case cluster.Corrupted:
		a.corrupted(c)
	}
}

func (a *absorbing) corrupted(c cluster.Corrupted) {
	switch c.Kind {
	case cluster.KindUnit:
		a.unitChanged(unit.Name(c.ID), nil, c.Err)
	case cluster.KindFile:
		f := a.file(unit.ContentID(c.ID))
		f.file, f.err = nil, c.Err
		delete(a.garbage, unit.ContentID(c.ID))
		a.reread(unit.ContentID(c.ID))
	case cluster.KindMachine:
		a.dirty(cluster.MachineID(c.ID), c.Kind, true).record = nil
	case cluster.KindSettings, cluster.KindReport:
		a.dirty(cluster.MachineID(c.ID), c.Kind, true)
	case cluster.KindOrders:
		// What they said before is the best that is known of what they say.
		a.dirty(cluster.MachineID(c.ID), c.Kind, true)
		a.corrupt[record{c.Kind, c.ID}] = struct{}{}
	case cluster.KindPending:
		a.pendingChanged(unit.Name(c.ID), nil, true)
	}
}

func (a *absorbing) dirty(id cluster.MachineID, kind cluster.Kind, bad bool) *machine {
	m := a.machine(id)
	if bad {
		if m.bad == nil {
			m.bad = make(map[cluster.Kind]bool)
		}
		m.bad[kind] = true
	} else {
		delete(m.bad, kind)
	}
	if kind == cluster.KindReport && bad {
		m.report = nil
	}
	a.machines[m] = struct{}{}
	return m
}

func (a *absorbing) unitChanged(name unit.Name, u *cluster.Unit, corrupt string) {
	t := a.task(name)
	if t.exists {
		a.refer(t.record.Content, -1)
	}
	t.exists, t.corrupt, t.record = u != nil, corrupt, cluster.Unit{}
	key := record{cluster.KindUnit, string(name)}
	delete(a.corrupt, key)
	if corrupt != "" {
		a.corrupt[key] = struct{}{}
	}
	if u != nil {
		t.record = *u
		a.refer(u.Content, +1)
	}
	delete(a.globals, t)
	if t.record.Global {
		a.globals[t] = struct{}{}
	}
	a.tasks[t] = struct{}{}
}

// ordersChanged: an own write that comes back says nothing new.
func (a *absorbing) ordersChanged(c cluster.OrdersChanged) {
	m := a.machine(c.ID)
	if m.written != nil && m.written.Revision >= a.revision {
		return
	}
	delete(a.corrupt, record{cluster.KindOrders, string(c.ID)})
	a.dirty(c.ID, cluster.KindOrders, false)
	a.replaceOrders(m, c.Orders)
	m.next, m.rewrite, m.leaving, m.with = nil, false, nil, nil
}

func (a *absorbing) reportChanged(c cluster.ReportChanged) {
	m := a.machine(c.ID)
	if m.report == nil || m.written == nil || c.Report == nil || m.report.Session != c.Report.Session || m.awaits() {
		a.dirty(c.ID, cluster.KindReport, false)
		m.report = c.Report
		return
	}
	before := m.report
	m.report = c.Report
	for name := range c.Report.Units {
		if _, ok := before.Units[name]; !ok {
			a.stand(m, a.task(name))
		}
	}
	for name := range before.Units {
		if _, ok := c.Report.Units[name]; !ok {
			a.stand(m, a.task(name))
		}
	}
	a.confirm(m)
}

func (a *absorbing) pendingChanged(name unit.Name, p *cluster.Pending, unreadable bool) {
	t := a.task(name)
	if t.writtenAt >= a.revision {
		return
	}
	t.written, t.unreadable = p, unreadable
	a.reasoned.add(t)
	a.tasks[t] = struct{}{}
}

// confirm takes in which of the units that left the orders the machine says are gone.
func (s *State) confirm(m *machine) {
	for name, revision := range m.leaving {
		if !m.confirmed(revision) {
			continue
		}
		delete(m.leaving, name)
		s.stand(m, s.task(name))
	}
}

func (m *machine) confirmed(revision int64) bool {
	return m.reported() && m.report.Orders >= revision
}

func (m *machine) leave(name unit.Name, revision int64) {
	if m.leaving == nil {
		m.leaving = make(map[unit.Name]int64)
	}
	m.leaving[name] = revision
}

// refreshMachine brings up to date what is derived from a machine's records.
func (s *State) refreshMachine(m *machine) {
	if m.lost() {
		m.next, m.rewrite, m.with, m.leaving = nil, false, nil, nil
		s.moved.drop(m)
	}
	m.metadata = nil
	if m.record != nil {
		m.metadata = m.settings.Overlay(m.record.Metadata)
	}
	s.returned.drop(m)
	if m.awaits() {
		s.returned.add(m)
	}
	s.open.set(m, false)
	s.confirm(m)
	s.restand(m)
	s.open.set(m, m.eligible())
	for t := range m.tasks {
		s.wake(t)
	}
	s.announce(m)
}

// announce wakes all that may profit from a machine that came, changed or went.
func (s *State) announce(m *machine) {
	for t := range s.unplaced.of {
		s.wake(t)
	}
	if len(s.globals) > 0 && m.listed {
		s.recheck.add(m)
	}
}

// restand looks at the standing of every unit that any record ties to the machine.
func (s *State) restand(m *machine) {
	for t := range m.tasks {
		s.stand(m, t)
	}
	for name := range m.units() {
		s.stand(m, s.task(name))
	}
	if m.written != nil {
		for name := range m.written.Units {
			s.stand(m, s.task(name))
		}
	}
	if m.report != nil {
		for name := range m.report.Units {
			s.stand(m, s.task(name))
		}
	}
	for name := range m.leaving {
		s.stand(m, s.task(name))
	}
	s.open.set(m, m.eligible())
}

// ordersWritten takes in own orders that the store has accepted.
func (s *State) ordersWritten(m *machine, orders cluster.Orders) {
	before := m.written
	s.replaceOrders(m, &orders)
	m.next, m.rewrite, m.with = nil, false, nil
	delete(m.bad, cluster.KindOrders)
	delete(s.corrupt, record{cluster.KindOrders, string(m.id)})
	s.moved.drop(m)
	s.returned.drop(m)
	for name := range orders.Units {
		delete(m.leaving, name)
	}
	if before == nil || before.Session != orders.Session {
		s.restand(m)
		return
	}
	for name := range before.Units {
		if _, ok := orders.Units[name]; !ok {
			m.leave(name, orders.Revision)
		}
	}
	s.confirm(m)
}

// replaceOrders keeps account of which files the orders refer to.
func (s *State) replaceOrders(m *machine, orders *cluster.Orders) {
	var before map[unit.Name]cluster.Order
	if m.written != nil {
		before = m.written.Units
	}
	m.written = orders
	var after map[unit.Name]cluster.Order
	if orders != nil {
		after = orders.Units
	}
	for name, o := range after {
		if old, ok := before[name]; ok && old.Content == o.Content && old.Generation == o.Generation {
			continue
		}
		s.refer(o.Content, +1)
		t := s.task(name)
		t.orderedGen = max(t.orderedGen, o.Generation)
		if old, ok := before[name]; ok {
			s.refer(old.Content, -1)
		}
	}
	for name, o := range before {
		if _, ok := after[name]; !ok {
			s.refer(o.Content, -1)
		}
	}
}

// readRules reads what the unit's file demands, and ties the unit to those it names.
func (s *State) readRules(t *task) {
	content := t.record.Content
	if t.corrupt != "" {
		content = t.orderedContent()
	}
	if content == t.content && t.problem == "" {
		return
	}
	t.content, t.problem = content, ""
	s.troubled.drop(t)
	rules, problem := s.rulesOf(t.name, content)
	if problem != "" && t.exists {
		t.problem = problem
		s.troubled.add(t)
		rules, _ = s.rulesOf(t.name, t.orderedContent())
	}
	s.setRules(t, rules)
}

// orderedContent is the content that some machine was ordered to have; empty if none was.
func (t *task) orderedContent() unit.ContentID {
	for _, m := range t.homes() {
		return m.units()[t.name].Content
	}
	return ""
}

func (s *State) rulesOf(name unit.Name, content unit.ContentID) (unit.Rules, string) {
	f, ok := s.files[content]
	switch {
	case name.IsTemplate():
		return unit.Rules{}, "a template does not run; start an instance of it"
	case !ok || f.file == nil && f.err == "":
		return unit.Rules{}, "its unit file is not in the store"
	case f.err != "":
		return unit.Rules{}, "its unit file cannot be read: " + f.err
	}
	rules, err := f.file.Rules(name)
	if err != nil {
		return unit.Rules{}, fmt.Sprintf("its [X-Fleet] section cannot be read: %v", err)
	}
	return rules, ""
}

func (s *State) setRules(t *task, rules unit.Rules) {
	t.rules = rules
	for _, peer := range t.peers {
		delete(peer.followers, t)
		s.review.add(peer)
	}
	t.peers, t.lacks, t.without = nil, nil, nil
	for _, requirement := range rules.Metadata {
		t.lacks = append(t.lacks, "lack "+requirement.String())
	}
	for _, name := range rules.MachineOf {
		if name == t.name {
			continue
		}
		peer := s.task(name)
		if peer.followers == nil {
			peer.followers = make(map[*task]struct{})
		}
		peer.followers[t] = struct{}{}
		t.peers = append(t.peers, peer)
		t.without = append(t.without, "do not have "+string(name)+" (MachineOf)")
	}
	s.demand(t, conflicts, rules.Conflicts)
	s.demand(t, replaces, rules.Replaces)
	s.rulesChanged(t)
}

// rulesChanged wakes those whom the unit may have kept away.
func (s *State) rulesChanged(t *task) {
	for _, m := range t.where {
		if len(s.globals) > 0 && m.eligible() {
			s.recheck.add(m)
		}
		for _, o := range t.rivalsOn(m) {
			s.wake(o)
		}
	}
	if len(t.where) > 0 {
		for u := range s.unplaced.of {
			s.wake(u)
		}
	}
}
