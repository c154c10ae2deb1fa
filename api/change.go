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
	u, err := s.store.UpdateUnit(r.Context(), name, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		if err := ifMatch(r, current); err != nil {
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
		return e, nil
	})
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

// ifMatch holds a request to the generation that it was made for.
func ifMatch(r *http.Request, current *cluster.Unit) error {
	headers := r.Header.Values("If-Match")
	if len(headers) == 0 {
		return nil
	}
	if current == nil {
		return &Error{http.StatusPreconditionFailed, "If-Match: unit does not exist"}
	}
	tags := strings.FieldsFunc(strings.Join(headers, ","), func(r rune) bool { return r == ',' || r == ' ' })
	if slices.Contains(tags, "*") || slices.Contains(tags, etag(current.Generation)) {
		return nil
	}
	return &Error{
		http.StatusPreconditionFailed,
		fmt.Sprintf("If-Match: unit is at generation %d", current.Generation),
	}
}

// unreadable tells of the stand-in for a record that cannot be read.
func unreadable(current *cluster.Unit) bool { return current != nil && current.Content == "" }

func errUnreadable(name unit.Name) *Error {
	return conflict("the record of unit %s cannot be read: submit its file again, or destroy it", name)
}
