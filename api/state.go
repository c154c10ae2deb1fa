package api

import (
	"net/http"

	"fleet/cluster"
	"fleet/unit"
)

func (s *Server) listStates(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	token, err := s.requestedPage(query)
	if err != nil {
		return err
	}
	name, id := unit.Name(query.Get("unitName")), cluster.MachineID(query.Get("machineID"))
	var page UnitStatePage
	s.cache.read(func(v view) {
		names := s.cache.reportedNames()
		if name != "" {
			names = []unit.Name{name}
		}
		total := 0
		for _, name := range names {
			total += s.cache.countStates(name, id)
		}
		from, to, next := token.cut(total)
		page.NextPageToken = next
		page.States = s.cache.statesBetween(v, names, id, from, to)
	})
	return writeJSON(w, http.StatusOK, page)
}

// getState answers with the first state of a unit. Fleet 1's fleetctl cannot
// bear a 404 here, so a unit that no machine reports has a state without states.
func (s *Server) getState(w http.ResponseWriter, _ *http.Request, name string) error {
	state := UnitState{Name: unit.Name(name)}
	s.cache.read(func(v view) {
		if states := v.states(unit.Name(name)); len(states) > 0 {
			state = states[0]
		}
	})
	return writeJSON(w, http.StatusOK, state)
}

// countStates is the number of states of a unit, on one machine or (if id is
// empty) on all. The caller holds the lock for reading.
func (c *cache) countStates(name unit.Name, id cluster.MachineID) int {
	ids := c.where[name]
	if id == "" {
		return len(ids)
	}
	for _, other := range ids {
		if other == id {
			return 1
		}
	}
	return 0
}

// statesBetween makes the states with these positions in the list of all
// states of the named units. The caller holds the lock for reading.
func (c *cache) statesBetween(v view, names []unit.Name, id cluster.MachineID, from, to int) []UnitState {
	var out []UnitState
	position := 0
	for _, name := range names {
		if position >= to {
			return out
		}
		count := c.countStates(name, id)
		if position+count <= from {
			position += count
			continue
		}
		for _, state := range v.states(name) {
			if id != "" && state.MachineID != id {
				continue
			}
			if position >= from && position < to {
				out = append(out, state)
			}
			position++
		}
	}
	return out
}
