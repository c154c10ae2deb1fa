package api

import (
	"fmt"
	"net/http"

	"fleet/cluster"
)

// forgetMachine asks the engine to remove what is known of a machine that is gone.
func (s *Server) forgetMachine(w http.ResponseWriter, r *http.Request, raw string) error {
	if !wholeMachineID.MatchString(raw) {
		return badRequest("invalid machine id %q", raw)
	}
	id := cluster.MachineID(raw)
	var state cluster.MachineState
	known, away, session := false, false, cluster.Session{}
	s.cache().read(func(v view) {
		state, _ = v.State(id)
		away, session = v.away(id), v.lastSession(id)
		known = away || v.machine(id) != nil || v.settings(id) != nil
	})
	switch {
	case !known:
		return errNoMachine()
	case !away && state != cluster.StateLost: // with settings alone it is neither
		return conflict("machine %s is present (%s): only what is gone can be forgotten", id, state)
	}
	return s.editSettings(w, r, []settingsEdit{{id: id, changes: []settingsChange{forget(session)}}})
}

// editSettings writes settings, one machine after the other.
func (s *Server) editSettings(w http.ResponseWriter, r *http.Request, edits []settingsEdit) error {
	for _, e := range edits {
		revision, err := s.store.UpdateSettings(r.Context(), e.id, e.apply)
		if err != nil {
			return fmt.Errorf("change settings of machine %s: %w", e.id, err)
		}
		s.o.Logger.Info("machine settings changed", "machine", e.id, "changes", len(e.changes), "rev", revision)
		s.awaitRevision(r.Context(), revision)
	}
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
