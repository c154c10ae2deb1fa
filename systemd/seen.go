package systemd

import (
	"sync"

	"fleet/unit"
)

// seen holds the states of units as last read, each until systemd signals
// about the unit. It lives as long as one connection.
type seen struct {
	mu struct {
		sync.Mutex
		states      map[unit.Name]unit.State
		generations map[unit.Name]uint64 // signals so far, for reads that a signal overtakes
	}
}

func newSeen() *seen {
	s := &seen{}
	s.mu.states = map[unit.Name]unit.State{}
	s.mu.generations = map[unit.Name]uint64{}
	return s
}

func (s *seen) get(n unit.Name) (unit.State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.mu.states[n]
	return st, ok
}

func (s *seen) generation(n unit.Name) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.generations[n]
}

// put keeps a state that was asked for at a generation, unless a signal came since.
func (s *seen) put(n unit.Name, generation uint64, st unit.State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.generations[n] == generation {
		s.mu.states[n] = st
	}
}

func (s *seen) forget(n unit.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.generations[n]++
	delete(s.mu.states, n)
}
