package schedule

import (
	"maps"

	"fleet/cluster"
	"fleet/unit"
)

// draft is an order that was decided and is not written yet, or that one is to be left out.
type draft struct {
	order cluster.Order
	gone  bool
	epoch int32 // machine.epoch when it was made: drafts of former epochs do not count
}

type draftKey struct {
	machine *machine
	task    *task
}

// drafts are those of all machines: one map, so that a draft costs nothing to make room for.
type drafts map[draftKey]draft

// order returns what m is to do with t now: as drafted, or as written.
func (m *machine) order(t *task) (cluster.Order, bool) {
	if m.drafted > 0 {
		if d, ok := m.drafts[draftKey{m, t}]; ok && d.epoch == m.epoch {
			return d.order, !d.gone
		}
	}
	if m.rewrite || m.written == nil {
		return cluster.Order{}, false
	}
	o, ok := m.written.Units[t.name]
	return o, ok
}

// orderFor is the order for a unit that is known to have one.
func (m *machine) orderFor(t *task) cluster.Order {
	o, _ := m.order(t)
	return o
}

func (s *State) draft(m *machine, t *task, d draft) {
	d.epoch = m.epoch
	s.drafts[draftKey{m, t}] = d
	m.drafted++
	s.moved.add(m)
}

// undraft forgets all drafts of m: its orders are as written.
func (s *State) undraft(m *machine) {
	m.epoch++
	m.drafted, m.rewrite, m.tidy, m.with = 0, false, false, nil
	s.moved.drop(m)
	if s.moved.empty() && len(s.drafts) > 0 {
		clear(s.drafts)
	}
}

// rewriteOrders has the orders of m made anew, of what is drafted from now on.
func (s *State) rewriteOrders(m *machine) {
	s.undraft(m)
	m.rewrite = true
	s.moved.add(m)
}

// draftsByMachine collects the drafts by machine.
func (s *State) draftsByMachine() map[*machine]map[unit.Name]draft {
	of := make(map[*machine]map[unit.Name]draft)
	for k, d := range s.drafts {
		if d.epoch != k.machine.epoch {
			continue
		}
		if of[k.machine] == nil {
			of[k.machine] = make(map[unit.Name]draft, k.machine.drafted)
		}
		of[k.machine][k.task.name] = d
	}
	return of
}

// change is how the orders of a machine are to differ from those in the store.
type change struct {
	before, after map[unit.Name]cluster.Order
}

// changeOf makes the new orders of m; not ok if they say what is written.
func (m *machine) changeOf(drafts map[unit.Name]draft) (change, bool) {
	var c change
	if m.written != nil {
		c.before = m.written.Units
	}
	differs := m.rewrite || m.tidy
	if !m.rewrite {
		for name, d := range drafts {
			if old, ok := c.before[name]; ok == d.gone || ok && old != d.order {
				differs = true
				break
			}
		}
		if !differs {
			return c, false
		}
		c.after = make(map[unit.Name]cluster.Order, len(c.before)+len(drafts))
		maps.Copy(c.after, c.before)
	} else {
		c.after = make(map[unit.Name]cluster.Order, len(drafts))
	}
	for name, d := range drafts {
		if d.gone {
			delete(c.after, name)
		} else {
			c.after[name] = d.order
		}
	}
	return c, true
}
