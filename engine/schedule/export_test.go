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

// PlaceOne is the decision loop for one unit that has no machine: it chooses one, accounts for it and drafts
// its order. What it leaves out is what comes before, the news, and what comes after, the records.
func (s *State) PlaceOne(t *task) bool {
	g := s.groupOf(t)
	c := s.choose(g)
	if c.machine == nil || c.class != fits {
		return false
	}
	s.settle(g, c)
	return true
}
