package schedule

import "fleet/unit"

// Find returns what the brain knows of the units.
func (s *State) Find(names []unit.Name) []*task {
	found := make([]*task, len(names))
	for i, name := range names {
		found[i] = s.tasks[name]
	}
	return found
}

// PlaceOne is the decision loop for one unit that has no machine: it chooses one and accounts for it,
// and makes no records. The place is the unit's claim, which counts as an order does.
func (s *State) PlaceOne(t *task) bool {
	c := s.choose(s.groupOf(t))
	if c.machine == nil || c.class != fits {
		return false
	}
	t.claim = c.machine
	s.stand(c.machine, t)
	return true
}
