package api

import (
	"net/http"
	"regexp"

	"fleet/cluster"
)

// moveRequest says where a unit is to go.
type moveRequest struct {
	MachineID cluster.MachineID `json:"machineID,omitempty"` // empty: whichever is best, but the present one
}

// machineIDPattern is what can be a part of a key in the store.
const machineIDPattern = `[A-Za-z0-9_.\-]{1,64}`

var wholeMachineID = regexp.MustCompile(`^` + machineIDPattern + `$`)

// postMove asks for a unit to be moved. Whether the rules allow it the engine says later, in the unit's copies.
func (s *Server) postMove(w http.ResponseWriter, r *http.Request, raw string) error {
	name, err := parseName(raw)
	if err != nil {
		return err
	}
	var body moveRequest
	if err := s.decodeOptional(r, &body); err != nil {
		return err
	}
	if err := s.checkTarget(body.MachineID); err != nil {
		return err
	}
	out, err := s.change(r, name, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		switch {
		case current == nil:
			return nil, errNoUnit()
		case unreadable(current):
			return nil, errUnreadable(name)
		case current.Desired == cluster.Inactive:
			return nil, conflict("cannot move unit %s: it is wanted inactive, on no machine", name)
		case current.Global:
			return nil, conflict("cannot move unit %s: it is global, on every machine that its rules allow", name)
		}
		moved := *current
		moved.MoveTo = body.MachineID
		return &cluster.UnitEdit{Unit: moved, Move: true}, nil
	})
	return changed(w, http.StatusNoContent, out.unit, err)
}

func (s *Server) checkTarget(id cluster.MachineID) error {
	if id == "" {
		return nil
	}
	if !wholeMachineID.MatchString(string(id)) {
		return badRequest("invalid machine id %q", id)
	}
	var present bool
	s.cache().read(func(v view) { _, present = v.Machine(id) })
	if !present {
		return conflict("machine %s is not present", id)
	}
	return nil
}
