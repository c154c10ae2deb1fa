package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"fleet/cluster"
	"fleet/unit"
)

func (s *Server) getFile(w http.ResponseWriter, r *http.Request, name string) error {
	var st cluster.Status
	var file cluster.File
	var found bool
	var why string
	s.cache().read(func(v view) {
		st = v.Status(unit.Name(name))
		if file, found = v.File(st.Unit.Content); !found {
			why = v.missing(st.Unit.Content)
		}
	})
	switch {
	case !st.Exists:
		return errNoUnit()
	case st.Corrupt != "":
		return errors.New("get the file of " + name + ": the unit's record cannot be read: " + st.Corrupt)
	case !found:
		return errors.New("get the file of " + name + ": " + why)
	}
	tellGeneration(w, st.Unit.Generation)
	showBody(w, r, etag(st.Unit.Generation), textType, file.Bytes())
	return nil
}

// putFile creates or replaces a unit with a file that is kept byte for byte.
// Unlike v1's PUT a replacement keeps the unit's desired state.
func (s *Server) putFile(w http.ResponseWriter, r *http.Request, name string) error {
	if isJSON(r.Header.Get("Content-Type")) {
		return &Error{http.StatusUnsupportedMediaType, "the body is the unit file itself, not " + jsonType}
	}
	query, err := parameters(r)
	if err != nil {
		return err
	}
	replace, err := boolParameter(query.Get("replace"), true)
	if err != nil {
		return badRequest("parameter replace: %v", err)
	}
	sub, err := newSubmission(name, query.Get("desiredState"))
	if err != nil {
		return err
	}
	if err := sub.readFile(s, r); err != nil {
		return err
	}
	out, err := s.change(r, sub.name, s.submit(r.Context(), sub, replace))
	code := http.StatusNoContent
	if out.created {
		code = http.StatusCreated
	}
	return changed(w, code, out.unit, err)
}

// submit is the edit that stores a file and keeps the state a unit is wanted in, unless another was sent.
func (s *Server) submit(ctx context.Context, sub *submission, replace bool) edit {
	return func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		switch {
		case current == nil:
			return sub.edit(cluster.Inactive), nil
		case unreadable(current):
			return sub.edit(s.orderedState(sub.name)), nil
		}
		switch same := s.same(ctx, sub, current); {
		case !same && !replace:
			return nil, conflict("unit %s exists with a different file", sub.name)
		case !same:
			return sub.edit(current.Desired), nil
		case sub.desired == "":
			return nil, errUnchanged
		}
		return withDesired(current, sub.desired), nil
	}
}

func (sub *submission) readFile(s *Server, r *http.Request) error {
	raw, err := s.readBody(r, s.o.Limits.file(), "unit file")
	if err != nil {
		return err
	}
	return sub.addBytes(raw)
}

func (sub *submission) addBytes(raw []byte) error {
	if len(raw) == 0 {
		return badRequest("unit file is empty: systemd would take the unit for masked")
	}
	if len(raw) > maxFile {
		return tooLarge("unit file", byteLimit{bytes: maxFile})
	}
	file, err := unit.Parse(raw)
	if err != nil {
		return badRequest("%v", err)
	}
	return sub.addFile(file)
}

// orderedState is what machines were last told to do with a unit whose record
// cannot be read: submitting its file anew must not stop it.
func (s *Server) orderedState(name unit.Name) cluster.DesiredState {
	var desired cluster.DesiredState
	s.cache().read(func(v view) { desired = v.orderedState(name) })
	return desired
}

func (v view) orderedState(name unit.Name) cluster.DesiredState {
	desired := cluster.Inactive
	for _, c := range v.Status(name).Copies {
		if c.Order != nil && desired != cluster.Launched {
			desired = c.Order.Desired
		}
	}
	return desired
}

func boolParameter(s string, otherwise bool) (bool, error) {
	if s == "" {
		return otherwise, nil
	}
	b, err := strconv.ParseBool(s)
	if err != nil {
		return false, errors.New("expect true or false")
	}
	return b, nil
}
