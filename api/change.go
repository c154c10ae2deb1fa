package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// catchUp bounds how long a writer waits for the cache to show its write. A
// request that was carried out is not failed because reading it back is late.
const catchUp = 5 * time.Second

// errUnchanged is what an edit returns that finds everything as it should be.
var errUnchanged = errors.New("unchanged")

type edit func(current *cluster.Unit) (*cluster.UnitEdit, error)

// change edits a unit under the conditions that hold for every request, and
// returns its record: the new one, or the present one if there was nothing to do. When
// it returns, the cache shows it.
func (s *Server) change(r *http.Request, name unit.Name, fn edit) (cluster.Unit, error) {
	var unchanged *cluster.Unit
	var asked *cluster.UnitEdit
	decide := func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		if err := conditions(r, current); err != nil {
			return nil, err
		}
		e, err := fn(current)
		if errors.Is(err, errUnchanged) {
			unchanged = current
		}
		if err != nil {
			return nil, err
		}
		if e != nil && e.Unit.Desired != cluster.Inactive && name.IsTemplate() {
			return nil, badRequest("cannot activate template %q", name)
		}
		asked = e
		return e, nil
	}
	u, err := s.store.UpdateUnit(r.Context(), name, decide)
	var refused *Error
	if errors.Is(err, cluster.ErrConflict) && !errors.As(err, &refused) {
		// Whoever was faster may have wanted the same: then nobody has lost.
		u, err = s.store.UpdateUnit(r.Context(), name, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
			if !agree(asked, current) {
				return nil, err
			}
			return decide(current)
		})
	}
	if errors.Is(err, errUnchanged) {
		s.awaitRevision(r.Context(), unchanged.Revision)
		return *unchanged, nil
	}
	if err != nil {
		return cluster.Unit{}, fmt.Errorf("%s unit %s: %w", strings.ToLower(r.Method), name, err)
	}
	s.o.Logger.Info("unit changed", "method", r.Method, "unit", name,
		"desired", u.Desired, "generation", u.Generation, "rev", u.Revision)
	s.awaitRevision(r.Context(), u.Revision)
	return u, nil
}

func (s *Server) awaitRevision(ctx context.Context, revision int64) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	s.cache.await(ctx, revision)
}

// agree tells whether the unit has the file that was to be written, or is gone as it was to be.
func agree(asked *cluster.UnitEdit, current *cluster.Unit) bool {
	if asked == nil || current == nil {
		return asked == nil && current == nil
	}
	return asked.Unit.Content == current.Content
}

// conditions hold a request to the generation that it was made for, or to there being none.
func conditions(r *http.Request, current *cluster.Unit) error {
	if match, sent := tags(r, "If-Match"); sent {
		switch {
		case current == nil:
			return &Error{http.StatusPreconditionFailed, "If-Match: unit does not exist"}
		case !match(current.Generation):
			return &Error{
				http.StatusPreconditionFailed,
				fmt.Sprintf("If-Match: unit is at generation %d", current.Generation),
			}
		}
	}
	if match, sent := tags(r, "If-None-Match"); sent && current != nil && match(current.Generation) {
		return &Error{
			http.StatusPreconditionFailed,
			fmt.Sprintf("If-None-Match: unit exists, at generation %d", current.Generation),
		}
	}
	return nil
}

// tags reads a header of entity tags; match tells whether a generation is among them.
func tags(r *http.Request, header string) (match func(generation int64) bool, sent bool) {
	values := r.Header.Values(header)
	list := strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' || r == ' ' })
	return func(generation int64) bool {
		return slices.Contains(list, "*") || slices.Contains(list, etag(generation))
	}, len(values) > 0
}

// unreadable tells of the stand-in for a record that cannot be read.
func unreadable(current *cluster.Unit) bool { return current != nil && current.Content == "" }

func errUnreadable(name unit.Name) *Error {
	return conflict("the record of unit %s cannot be read: submit its file again, or destroy it", name)
}
