package systemd

import (
	"sync"

	sddbus "github.com/coreos/go-systemd/v22/dbus"

	"fleet/unit"
)

// seen holds the states of units as last read or told, each until systemd signals
// about the unit. It lives as long as one connection.
type seen struct {
	mu struct {
		sync.Mutex
		states      map[unit.Name]unit.State // without Load if systemd has told them: its signals do not have that
		halves      map[unit.Name]values     // what systemd has told of the type's interface; that of the Unit interface follows
		generations map[unit.Name]uint64     // signals so far, for reads that a signal overtakes
	}
}

func newSeen() *seen {
	s := &seen{}
	s.mu.states = map[unit.Name]unit.State{}
	s.mu.halves = map[unit.Name]values{}
	s.mu.generations = map[unit.Name]uint64{}
	return s
}

// get returns the state of a unit that is in systemd's list so, if nothing says that it is another by now.
func (s *seen) get(n unit.Name, l sddbus.UnitStatus) (unit.State, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, ok := s.mu.states[n]
	if !ok || st.Active != l.ActiveState || st.Sub != l.SubState || st.Load != "" && st.Load != l.LoadState {
		return unit.State{}, false
	}
	st.Load, st.Job = l.LoadState, l.JobType
	return st, true
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

// tellHalf takes in what systemd tells of a unit's type.
func (s *seen) tellHalf(n unit.Name, half values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.halves[n] = half
}

// tell takes in what systemd tells of a unit, the half that it has told before included. If that is not all that makes
// a state it has to be asked for.
func (s *seen) tell(n unit.Name, rest values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := toldState(n.Type(), rest, s.mu.halves[n])
	delete(s.mu.halves, n)
	s.mu.generations[n]++
	if err != nil {
		delete(s.mu.states, n)
		return
	}
	s.mu.states[n] = st
}

// doubt has a unit be asked for whose state was not told by systemd itself.
func (s *seen) doubt(n unit.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.mu.states[n]; ok && st.Load == "" {
		return
	}
	s.mu.generations[n]++
	delete(s.mu.states, n)
}

// forget drops a unit that is fleet's no longer.
func (s *seen) forget(n unit.Name) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.generations[n]++ // kept: a read may be under way
	delete(s.mu.states, n)
	delete(s.mu.halves, n)
}
