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

// ask is one request to change one unit.
type ask struct {
	verb string // for errors
	name unit.Name
	only conditions
	edit edit
}

// outcome is what came of an ask.
type outcome struct {
	unit             cluster.Unit // the new record, or the present one if there was nothing to do
	created, changed bool
}

// change edits a unit under the conditions of the request's headers. When
// it returns, the cache shows what came of it.
func (s *Server) change(r *http.Request, name unit.Name, fn edit) (outcome, error) {
	only, err := headerConditions(r)
	if err != nil {
		return outcome{}, err
	}
	out, err := s.carryOut(r.Context(), ask{strings.ToLower(r.Method), name, only, fn})
	if err != nil {
		return outcome{}, err
	}
	s.awaitRevision(r.Context(), out.unit.Revision)
	return out, nil
}

// carryOut edits a unit in the store.
func (s *Server) carryOut(ctx context.Context, a ask) (outcome, error) {
	var out outcome
	var asked *cluster.UnitEdit
	decide := func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		if err := a.only.check(current); err != nil {
			return nil, err
		}
		e, err := a.edit(current)
		if errors.Is(err, errUnchanged) {
			out = outcome{unit: *current}
		}
		if err != nil {
			return nil, err
		}
		if e != nil && e.Unit.Desired != cluster.Inactive && a.name.IsTemplate() {
			return nil, badRequest("cannot activate template %q", a.name)
		}
		if current == nil && e != nil {
			if err := s.refuseForSpace(); err != nil {
				return nil, err
			}
		}
		asked, out = e, outcome{created: current == nil, changed: true}
		return e, nil
	}
	u, err := s.store.UpdateUnit(ctx, a.name, decide)
	var refused *Error
	if errors.Is(err, cluster.ErrConflict) && !errors.As(err, &refused) {
		// Whoever was faster may have wanted the same: then nobody has lost.
		u, err = s.store.UpdateUnit(ctx, a.name, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
			if !agree(asked, current) {
				return nil, err
			}
			return decide(current)
		})
	}
	if errors.Is(err, errUnchanged) {
		return out, nil
	}
	if err != nil {
		return outcome{}, fmt.Errorf("%s unit %s: %w", a.verb, a.name, err)
	}
	s.o.Logger.Info("unit changed", "verb", a.verb, "unit", a.name,
		"desired", u.Desired, "generation", u.Generation, "rev", u.Revision)
	out.unit = u
	return out, nil
}

// refuseForSpace keeps new units out of a store that is nearly full, so that there is room for everything else.
func (s *Server) refuseForSpace() error {
	var alarms []Alarm
	s.cache().read(func(v view) { alarms = v.alarms() })
	for _, a := range alarms {
		if a.Name == cluster.StoreFull && !a.Acknowledged && a.Error == "" {
			return &Error{
				http.StatusInsufficientStorage,
				fmt.Sprintf("alarm %s stands: %s. If there is no other way, acknowledge the alarm", a.Name, a.Message),
			}
		}
	}
	return nil
}

func (s *Server) awaitRevision(ctx context.Context, revision int64) {
	ctx, cancel := context.WithTimeout(ctx, catchUp)
	defer cancel()
	s.cache().await(ctx, revision)
}

// agree tells whether the unit has the file that was to be written, or is gone as it was to be.
func agree(asked *cluster.UnitEdit, current *cluster.Unit) bool {
	if asked == nil || current == nil {
		return asked == nil && current == nil
	}
	return asked.Unit.Content == current.Content
}

// conditions hold a request to generations that it was made for, or to there
// being no unit. The names are those of HTTP; what is nil was not asked for.
type conditions struct{ match, noneMatch func(generation int64) bool }

func (c conditions) check(current *cluster.Unit) error {
	switch {
	case c.match != nil && current == nil:
		return &Error{http.StatusPreconditionFailed, "If-Match: unit does not exist"}
	case c.match != nil && !c.match(current.Generation):
		return &Error{
			http.StatusPreconditionFailed,
			fmt.Sprintf("If-Match: unit is at generation %d", current.Generation),
		}
	case c.noneMatch != nil && current != nil && c.noneMatch(current.Generation):
		return &Error{
			http.StatusPreconditionFailed,
			fmt.Sprintf("If-None-Match: unit exists, at generation %d", current.Generation),
		}
	}
	return nil
}

func headerConditions(r *http.Request) (only conditions, err error) {
	if only.match, err = tags(r, "If-Match"); err != nil {
		return only, err
	}
	only.noneMatch, err = tags(r, "If-None-Match")
	return only, err
}

// tags reads a header of entity tags: whether a generation is among them. It is nil if the header was not sent. What has
// no quotes is refused, or who forgets them would hear that the unit is not at the generation that it is at.
func tags(r *http.Request, header string) (func(generation int64) bool, error) {
	values := r.Header.Values(header)
	if len(values) == 0 {
		return nil, nil
	}
	list := strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' || r == ' ' })
	for _, tag := range list {
		if tag != "*" && !strings.Contains(tag, `"`) {
			return nil, badRequest("%s: %s is no tag: expect one between quotes, such as \"7\", or *", header, tag)
		}
	}
	return func(generation int64) bool {
		about := func(tag string) bool { return tag == "*" || etag(generation) == generationOf(tag) }
		return slices.ContainsFunc(list, about)
	}, nil
}

// unreadable tells of the stand-in for a record that cannot be read.
func unreadable(current *cluster.Unit) bool { return current != nil && current.Content == "" }

func errUnreadable(name unit.Name) *Error {
	return conflict("the record of unit %s cannot be read: submit its file again, or destroy it", name)
}
