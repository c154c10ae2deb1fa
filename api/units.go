package api

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// unitList are the units that users have submitted.
func unitList() collection[unit.Name, Unit] {
	return collection[unit.Name, Unit]{
		name: "units", page: "units",
		keys: func(v view, q *listQuery) []unit.Name { return q.narrow(v, v.past.submitted) },
		items: func(v view, name unit.Name, q *listQuery, d detail) []Unit {
			if d.bare && !q.ofCopies() && slices.Contains(recordFields, q.order.field.name) {
				return q.record(v, name)
			}
			if st, ok := q.status(v, name); ok {
				return []Unit{v.unitOf(st, d)}
			}
			return nil
		},
		minor: func(Unit) string { return "" },
	}
}

// recordFields are those that need no look at the unit's copies.
var recordFields = []string{"name", "desiredState", "global", "generation", "content", "move", "moveTo", "outcome"}

// record returns a unit, if it is selected, with recordFields alone.
func (f *filter) record(v view, name unit.Name) []Unit {
	if !f.unit(v, name) {
		return nil
	}
	u := v.record(name)
	return []Unit{{
		Name: name, DesiredState: u.Desired, Global: u.Global, Generation: u.Generation, Content: u.Content,
		Move: u.Move, MoveTo: u.MoveTo, Outcome: &Outcome{Phase: v.phase(name)},
	}}
}

// status returns that of a unit if it is selected. Of its copies one has to be all that is asked of copies.
func (f *filter) status(v view, name unit.Name) (cluster.Status, bool) {
	if !f.unit(v, name) {
		return cluster.Status{}, false
	}
	st := v.Status(name)
	fits := func(c cluster.Copy) bool { return f.copied(v, c) }
	return st, !f.ofCopies() || slices.ContainsFunc(st.Copies, fits)
}

func (s *Server) listUnits(w http.ResponseWriter, r *http.Request) error {
	return answerList(s, unitList(), w, r)
}

func (s *Server) getUnit(w http.ResponseWriter, r *http.Request, name string) error {
	var u Unit
	s.cache().read(func(v view) { u = v.unit(unit.Name(name), detail{options: true, log: true}) })
	if u.Absent {
		return errNoUnit()
	}
	if fromFleet1(r) {
		u.CurrentState = s.lingering.shown(u, time.Now())
	}
	tellGeneration(w, u.Generation)
	return show(w, r, u.Generation, u)
}

func (s *Server) deleteUnit(w http.ResponseWriter, r *http.Request, raw string) error {
	name, err := s.destroyable(raw)
	if err != nil {
		return err
	}
	gone, err := s.change(r, name, destroy)
	if err != nil {
		return err
	}
	// Whatever is submitted under this name later has a greater generation.
	w.Header().Set(generationHeader, strconv.FormatInt(gone.unit.Generation, 10))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// destroyable lets names pass that are stored although they are none.
func (s *Server) destroyable(raw string) (unit.Name, error) {
	if _, err := unit.ParseName(raw); err != nil && !s.submitted(unit.Name(raw)) {
		return "", errNoUnit() // the store would complain about the name
	}
	return unit.Name(raw), nil
}

// destroy is the edit that removes a unit.
func destroy(current *cluster.Unit) (*cluster.UnitEdit, error) {
	if current == nil {
		return nil, errNoUnit()
	}
	return nil, nil
}

func (s *Server) restartUnit(w http.ResponseWriter, r *http.Request, raw string) error {
	name, err := parseName(raw)
	if err != nil {
		return err
	}
	out, err := s.change(r, name, restart(name))
	return changed(w, http.StatusNoContent, out.unit, err)
}

// restart is the edit that asks for a restart.
func restart(name unit.Name) edit {
	return func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		switch {
		case current == nil:
			return nil, errNoUnit()
		case unreadable(current):
			return nil, errUnreadable(name)
		case current.Desired != cluster.Launched:
			return nil, conflict("cannot restart unit %s: it is wanted %s, not launched", name, current.Desired)
		}
		return &cluster.UnitEdit{Unit: *current, Restart: true}, nil
	}
}

func (s *Server) submitted(name unit.Name) bool {
	var exists bool
	s.cache().read(func(v view) { exists = v.Status(name).Exists })
	return exists
}

// changed answers a request that changed a unit, or failed to.
func changed(w http.ResponseWriter, code int, u cluster.Unit, err error) error {
	if err != nil {
		return err
	}
	tellGeneration(w, u.Generation)
	w.WriteHeader(code)
	return nil
}

// tellGeneration sends the generation of a unit in the form of If-Match too.
func tellGeneration(w http.ResponseWriter, generation int64) {
	if generation == 0 {
		return // an unreadable record
	}
	w.Header().Set(generationHeader, strconv.FormatInt(generation, 10))
	w.Header().Set("ETag", etag(generation))
}
