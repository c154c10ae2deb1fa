package api

import (
	"net/http"

	"fleet/unit"
)

// stateList are the copies of units that present machines report, whether or not the units are submitted.
func stateList() collection[unit.Name, UnitState] {
	return collection[unit.Name, UnitState]{
		name: "state", page: "states",
		keys: func(v view, q *listQuery) []unit.Name { return q.narrow(v, v.past.reported) },
		items: func(v view, name unit.Name, q *listQuery, _ detail) []UnitState {
			return q.states(v, name)
		},
		minor: func(s UnitState) string { return string(s.MachineID) },
	}
}

// states are those of a unit that are selected.
func (f *filter) states(v view, name unit.Name) []UnitState {
	if !f.unit(v, name) {
		return nil
	}
	st := v.Status(name)
	var states []UnitState
	for _, c := range st.Copies {
		if c.Report != nil && f.copied(v, c) {
			states = append(states, v.state(st, c))
		}
	}
	return states
}

func (s *Server) listStates(w http.ResponseWriter, r *http.Request) error {
	return answerList(s, stateList(), w, r)
}

// getState answers with the first state of a unit. Fleet 1's fleetctl cannot
// bear a 404 here, so a unit that no machine reports has a state without states.
func (s *Server) getState(w http.ResponseWriter, r *http.Request, name string) error {
	state := UnitState{Name: unit.Name(name)}
	s.cache().read(func(v view) {
		if states := new(filter).states(v, unit.Name(name)); len(states) > 0 {
			state = states[0]
		}
	})
	return show(w, r, 0, state)
}
