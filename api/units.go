package api

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"fleet/cluster"
	"fleet/unit"
)

func (s *Server) listUnits(w http.ResponseWriter, r *http.Request) error {
	token, err := s.requestedPage(r.URL.Query())
	if err != nil {
		return err
	}
	var page UnitPage
	s.cache.read(func(v view) {
		names := s.cache.submittedNames()
		from, to, next := token.cut(len(names))
		page.NextPageToken = next
		for _, name := range names[from:to] {
			page.Units = append(page.Units, v.unit(name, detail{options: true}))
		}
	})
	return writeUnits(w, page)
}

// writeUnits writes what writeJSON would, unit by unit: a page may hold a hundred
// files of a mebibyte, which the cache has once and the answer must not copy.
func writeUnits(w http.ResponseWriter, page UnitPage) error {
	if len(page.Units) == 0 {
		return writeJSON(w, http.StatusOK, page)
	}
	w.Header().Set("Content-Type", jsonType)
	before := `{"units":[`
	for _, u := range page.Units {
		body, err := json.Marshal(u)
		if err != nil {
			return fmt.Errorf("encode unit %s: %w", u.Name, err)
		}
		_, _ = io.WriteString(w, before)
		if _, err := w.Write(body); err != nil {
			return nil // the client has gone
		}
		before = ","
	}
	end := "]}"
	if page.NextPageToken != "" {
		end = fmt.Sprintf(`],"nextPageToken":%q}`, page.NextPageToken) // base64: nothing to escape
	}
	_, _ = io.WriteString(w, end)
	return nil
}

func (s *Server) getUnit(w http.ResponseWriter, _ *http.Request, name string) error {
	var u Unit
	s.cache.read(func(v view) { u = v.unit(unit.Name(name), detail{options: true, log: true}) })
	if u.Absent {
		return errNoUnit()
	}
	tellGeneration(w, u.Generation)
	return writeJSON(w, http.StatusOK, u)
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
	w.Header().Set(generationHeader, strconv.FormatInt(gone.unit.Revision, 10))
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
	s.cache.read(func(v view) { exists = v.Status(name).Exists })
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
