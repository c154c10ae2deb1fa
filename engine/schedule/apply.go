package schedule

import (
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// Apply takes in what the store says. Everything that was decided before must
// have been committed.
func (s *State) Apply(u cluster.Update) {
	if u.Reset {
		s.reset(u)
		s.reach(u.Revision)
		return
	}
	s.absorb(u)
	s.reach(u.Revision)
	s.wrote = slices.DeleteFunc(s.wrote, func(w write) bool { return w.revision <= u.Revision })
}

// reset starts anew from a whole snapshot. Own writes that are younger than
// the snapshot, and what machines have not confirmed yet, are not forgotten.
func (s *State) reset(u cluster.Update) {
	old := *s
	s.begin(old.options)
	s.patience, s.now, s.stamp, s.restored = old.patience, old.now, old.stamp, old.restored
	s.space.is = old.space.is
	s.losses.inherited, s.brake.look = true, true
	s.absorb(u)
	s.recallLast(old.machines)
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
		for name, d := range m.leaving {
			now.leave(name, d)
		}
		for name, d := range m.changing {
			now.change(name, d)
		}
		s.restand(now)
	}
	s.recallClaims()
	for o := range order(orders) {
		s.lane(nil, o) // to be ready for what comes
	}
}

// recallClaims: what a former leader was clearing a machine for still gets that place.
func (s *State) recallClaims() {
	for _, t := range s.tasks {
		p := t.written
		if p == nil || !p.Waiting || p.Place == "" || p.Generation != t.record.Generation || !t.seeks() && !t.isDue() {
			continue
		}
		if m, ok := s.machines[p.Place]; ok && m.listed {
			t.claim = m
			s.stand(m, t)
		}
	}
}

// absorb takes in the changes, and then brings up to date what is derived from several of them.
func (s *State) absorb(u cluster.Update) {
	a := &absorbing{State: s, revision: u.Revision, machines: make(map[*machine]struct{}), tasks: make(map[*task]struct{})}
	if u.Reset {
		a.tasks = make(map[*task]struct{}, len(u.Changes))
		s.tasks = make(map[unit.Name]*task, len(u.Changes))
		s.numbers = make([]*task, 0, len(u.Changes))
	}
	for _, c := range u.Changes {
		a.change(c)
	}
	if a.files {
		for t := range s.troubled.of {
			a.tasks[t] = struct{}{}
		}
	}
	for t := range a.tasks {
		was := exclusive(t)
		s.readRules(t)
		if !u.Reset && !was && exclusive(t) {
			s.tidyAfter(t)
		}
	}
	for m := range a.machines {
		s.refreshMachine(m)
	}
	for m := range a.machines {
		s.haunt(m) // when it is known of all of them whether they are lost
	}
	for t := range a.tasks {
		a.wakeQueued(t)
		if len(t.where) == 0 || !u.Reset && !s.atRest(t) { // refreshMachine has looked at those that are somewhere
			s.review.add(t)
		}
		if t.failing != nil {
			s.failures.resting.add(t)
		}
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
			m.leaving, m.changing = nil, nil
		}
		m.record = c.Machine
	case cluster.SettingsChanged:
		if a.echoesForget(a.machine(c.ID)) {
			return
		}
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
	case cluster.FailuresChanged:
		a.failuresChanged(c.Name, c.Failures, false)
	case cluster.AgentChanged:
		a.dirty(c.ID, cluster.KindAgent, false).agent = c.Agent
	case cluster.AbsenceChanged:
		a.absenceChanged(c.ID, c.Absence, false)
	case cluster.EpochChanged:
		a.epoch = cluster.Epoch{}
		if c.Epoch != nil {
			a.epoch = *c.Epoch
		}
	case cluster.AlarmChanged:
		a.alarmChanged(c.Name, c.Alarm, false)
	case cluster.AckChanged:
		a.ackChanged(c.Name, c.Ack)
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
	case cluster.KindSettings, cluster.KindReport, cluster.KindAgent:
		a.dirty(cluster.MachineID(c.ID), c.Kind, true)
	case cluster.KindOrders:
		// What they said before is the best that is known of what they say.
		a.dirty(cluster.MachineID(c.ID), c.Kind, true)
		a.corrupt[record{c.Kind, c.ID}] = struct{}{}
	case cluster.KindPending:
		a.pendingChanged(unit.Name(c.ID), nil, true)
	case cluster.KindFailures:
		a.failuresChanged(unit.Name(c.ID), nil, true)
	case cluster.KindAbsence:
		a.absenceChanged(cluster.MachineID(c.ID), nil, true)
	case cluster.KindAlarm:
		a.alarmChanged(cluster.AlarmName(c.ID), nil, true)
	case cluster.KindAck:
		a.ackChanged(cluster.AlarmName(c.ID), nil)
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
		a.replaceReport(m, nil)
	}
	a.machines[m] = struct{}{}
	return m
}

func (a *absorbing) unitChanged(name unit.Name, u *cluster.Unit, corrupt string) {
	t := a.task(name)
	if t.exists {
		a.refer(t.record.Content, -1)
	}
	if (t.corrupt == "") != (corrupt == "") {
		a.wakeRelated(t) // whether it may be moved has changed
		a.provoke(t.rules.Priority)
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
	if m.written != nil && m.written.Revision >= a.revision || a.echoesForget(m) {
		return
	}
	delete(a.corrupt, record{cluster.KindOrders, string(c.ID)})
	a.dirty(c.ID, cluster.KindOrders, false)
	a.replaceOrders(m, c.Orders)
	a.undraft(m)
	m.leaving, m.changing = nil, nil
	m.recallLeft()
}

func (a *absorbing) reportChanged(c cluster.ReportChanged) {
	m := a.machine(c.ID)
	if m.report == nil || m.written == nil || c.Report == nil || m.report.Session != c.Report.Session || m.awaits() {
		a.dirty(c.ID, cluster.KindReport, false)
		a.replaceReport(m, c.Report)
		return
	}
	before := m.report
	a.replaceReport(m, c.Report)
	for name, r := range c.Report.Units {
		old, ok := before.Units[name]
		if !ok || old.Content != r.Content || old.Generation != r.Generation || old.Tried != r.Tried {
			a.stand(m, a.task(name))
		}
		if !ok || old.State != r.State || old.Generation != r.Generation || old.Error != r.Error {
			a.progress(m, name)
		}
		a.gaveUp(name, r)
	}
	for name := range before.Units {
		if _, ok := c.Report.Units[name]; !ok {
			a.stand(m, a.task(name))
		}
	}
	a.confirm(m)
}

// progress has the units looked at for which it matters how far name is on m.
func (a *absorbing) progress(m *machine, name unit.Name) {
	t, ok := a.State.tasks[name]
	if !ok {
		return
	}
	a.wakeQueued(t)
	if len(t.where) > 1 || m.orderFor(t).Unbound || m.emptied() != "" {
		a.wake(t)
	}
}

func (a *absorbing) pendingChanged(name unit.Name, p *cluster.Pending, unreadable bool) {
	t := a.task(name)
	if t.writtenAt >= a.revision {
		return
	}
	t.written, t.unreadable = p, unreadable
	if t.want == nil {
		a.countReason(t, p)
	}
	a.reasoned.add(t)
	a.tasks[t] = struct{}{}
}
