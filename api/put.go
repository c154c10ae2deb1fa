package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// putRequest is what v1 reads of the unit in a PUT; everything else that the
// JSON says is ignored, so that a client may send back what it got.
type putRequest struct {
	Name         string   `json:"name,omitempty"` // as in the path, if it is sent
	Options      []Option `json:"options,omitempty"`
	DesiredState string   `json:"desiredState,omitempty"` // inactive, loaded or launched
}

// submission is a unit file that was found good, with what else was asked for.
type submission struct {
	name    unit.Name
	file    *unit.File // nil: no file was sent
	options bool       // it was sent as options
	global  bool
	desired cluster.DesiredState // empty: no state was sent
}

// putUnit is v1's one verb for everything: create, replace, set the state.
// The order of its checks is v1's.
func (s *Server) putUnit(w http.ResponseWriter, r *http.Request, urlName string) error {
	if err := checkJSONType(r); err != nil {
		return err
	}
	var body putRequest
	if err := s.decodeV1(r, &body); err != nil {
		return err
	}
	if body.Name == "" {
		body.Name = urlName
	}
	if body.Name != urlName {
		return badRequest("name in URL %q differs from unit name in request body %q", urlName, body.Name)
	}
	name, err := parseName(body.Name)
	if err != nil {
		return err
	}
	sub := &submission{name: name}
	if len(body.Options) > 0 {
		if err := sub.addOptions(body.Options); err != nil {
			return err
		}
	}
	invalid := sub.want(body.DesiredState)
	ran := fromFleet1(r) && s.launched(name)
	code := http.StatusNoContent
	out, err := s.change(r, sub.name, func(current *cluster.Unit) (*cluster.UnitEdit, error) {
		switch {
		case sub.file == nil && current == nil:
			return nil, conflict("unit does not exist and options field empty")
		case invalid != nil:
			return nil, invalid
		}
		if sub.file != nil && (current == nil || !s.same(r.Context(), sub, current)) {
			code = http.StatusCreated // v1 calls a replacement a creation
			return sub.edit(cluster.Inactive), nil
		}
		code = http.StatusNoContent
		if sub.desired == "" && sub.file != nil && !unreadable(current) {
			return nil, errUnchanged
		}
		return sub.demand(current)
	})
	if err == nil && ran && out.unit.Desired == cluster.Loaded {
		s.lingering.begin(name, time.Now())
	}
	return changed(w, code, out.unit, err)
}

// demand is the edit that says what is wanted of a unit whose file stays.
func (sub *submission) demand(current *cluster.Unit) (*cluster.UnitEdit, error) {
	switch {
	case current == nil:
		return nil, errNoUnit()
	case unreadable(current):
		return nil, errUnreadable(sub.name)
	case sub.desired == "":
		return nil, conflict("must provide DesiredState to update existing unit")
	}
	return withDesired(current, sub.desired), nil
}

// same tells whether the unit has the file already. Files that were sent as
// options are, as in v1, the same if their hashes are equal: options have no comments.
func (s *Server) same(ctx context.Context, sub *submission, current *cluster.Unit) bool {
	if current.Content == sub.file.ID() {
		return true
	}
	if !sub.options || unreadable(current) {
		return false
	}
	s.awaitRevision(ctx, current.Revision)
	var hash string
	s.cache().read(func(v view) { hash = v.hash(current.Content) })
	return hash == sub.file.V1Hash()
}

func newSubmission(name, desired string) (*submission, error) {
	n, err := parseName(name)
	if err != nil {
		return nil, err
	}
	sub := &submission{name: n}
	return sub, sub.want(desired)
}

// want takes in the state that was asked for, if any.
func (sub *submission) want(desired string) error {
	if desired == "" {
		return nil
	}
	var err error
	if sub.desired, err = cluster.ParseDesiredState(desired); err != nil {
		return badRequest("%v", err)
	}
	return nil
}

// parseName refuses a name in the words of v1, which do not repeat the name.
func parseName(s string) (unit.Name, error) {
	name, err := unit.ParseName(s)
	if err == nil {
		return name, nil
	}
	if rule := errors.Unwrap(err); rule != nil {
		err = rule
	}
	return "", badRequest("%v", err)
}

func (sub *submission) addOptions(options []Option) error {
	plain := make([]unit.Option, len(options))
	for i, o := range options {
		plain[i] = unit.Option(o)
	}
	file, err := unit.FromOptions(plain)
	if err != nil {
		return badRequest("%v", err)
	}
	if len(file.Bytes()) > maxFile {
		return tooLarge("unit file", byteLimit{bytes: maxFile})
	}
	sub.options = true
	return sub.addFile(file)
}

// addFile takes in a file whose rules hold for the unit's name.
func (sub *submission) addFile(file *unit.File) error {
	rules, err := file.Rules(sub.name)
	if err != nil {
		return badRequest("%v", err)
	}
	sub.file, sub.global = file, rules.Global
	return nil
}

// edit writes the file, and the state that was asked for or else the given one.
func (sub *submission) edit(otherwise cluster.DesiredState) *cluster.UnitEdit {
	desired := sub.desired
	if desired == "" {
		desired = otherwise
	}
	return &cluster.UnitEdit{
		Unit: cluster.Unit{Name: sub.name, Content: sub.file.ID(), Desired: desired, Global: sub.global},
		File: sub.file.Bytes(),
	}
}

// withDesired keeps everything of a unit but the state it is wanted in.
func withDesired(current *cluster.Unit, desired cluster.DesiredState) *cluster.UnitEdit {
	u := *current
	u.Desired = desired
	return &cluster.UnitEdit{Unit: u}
}
