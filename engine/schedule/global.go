package schedule

import (
	"maps"
	"slices"

	"fleet/cluster"
)

// reviewGlobal brings a global unit onto every machine that its rules allow,
// and off every other.
func (s *State) reviewGlobal(t *task) {
	s.release(t)
	s.homeless.drop(t)
	t.shunned = nil // what was asked of it while it had one place
	for _, m := range t.homes() {
		switch ok, says := s.holds(t, m); {
		case !t.settled():
			if m.orderFor(t).Content == t.record.Content {
				s.refresh(m, t)
			}
		case !ok:
			s.bar(m, t, says)
		default:
			s.refresh(m, t)
		}
	}
	s.compete(t)
	if !t.settled() {
		s.pend(t.alone(), cluster.Pending{Message: t.problem})
		return
	}
	for _, id := range slices.Clone(s.listed) {
		s.extend(t, id)
	}
	s.explainGlobal(t)
}

// fillGlobals brings onto one machine the global units that it lacks and may have.
func (s *State) fillGlobals(m *machine) {
	s.recheck.drop(m)
	if !m.listed {
		return
	}
	for _, t := range slices.SortedFunc(maps.Keys(s.globals), byUrgency) {
		if t.wanted() && t.settled() {
			s.extend(t, m)
			s.explainGlobal(t)
		}
	}
}

// extend orders one more copy of a global unit, if the machine may have it.
func (s *State) extend(t *task, m *machine) {
	if m.tasks[t].standing == ordered || s.suits(t.alone(), m).class != fits {
		return
	}
	o := t.order()
	o.Reason, o.Since = "global: one on every machine that fits", s.now
	s.put(m, t, o)
}

// explainGlobal: a global unit is pending while no machine has it.
func (s *State) explainGlobal(t *task) {
	if t.hasHome() {
		s.want(t, nil)
		return
	}
	p := s.explain(t.alone())
	s.pend(t.alone(), p)
}
