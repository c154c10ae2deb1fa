package api

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"fleet/unit"
)

const (
	// maxChanges is how many units one request may change.
	maxChanges = 1000

	// changesAtOnce is how many of them the store is asked for at a time: enough that a
	// store that syncs its log gathers many in one sync, and few enough that other requests get in between.
	changesAtOnce = 32
)

// changeRequest is one unit of a request that changes many.
type changeRequest struct {
	Name         string   `json:"name"`                   // of the unit
	File         *string  `json:"file,omitempty"`         // the unit file as it is,
	FileBase64   *[]byte  `json:"fileBase64,omitempty"`   // or as base64,
	Options      []Option `json:"options,omitempty"`      // or its options; none: the file that the unit has
	DesiredState string   `json:"desiredState,omitempty"` // inactive, loaded or launched; without it: as it is, or inactive for a new unit
	Replace      *bool    `json:"replace,omitempty"`      // false: refuse to replace a file that differs
	Restart      bool     `json:"restart,omitempty"`      // the unit must be wanted launched
	Destroy      bool     `json:"destroy,omitempty"`      // nothing else may be asked of the unit then
	IfMatch      int64    `json:"ifMatch,omitempty"`      // refuse unless this is the unit's generation
	IfAbsent     bool     `json:"ifAbsent,omitempty"`     // refuse if the unit exists
}

// changesRequest is a request about many units, at most one about each.
type changesRequest struct {
	Changes []changeRequest `json:"changes"`
}

// ChangeResult is what came of a request to change one unit among many.
type ChangeResult struct {
	Name       unit.Name `json:"name"`
	Code       int       `json:"code"`                 // the HTTP status of the same request about this unit alone
	Generation int64     `json:"generation,omitempty"` // of the unit that expresses the request
	Created    bool      `json:"created,omitempty"`    // the unit did not exist before
	Changed    bool      `json:"changed,omitempty"`    // something was written: it was not all so already
	Error      string    `json:"error,omitempty"`      // why it was not carried out
}

// changesAnswer is what came of such a request.
type changesAnswer struct {
	Results  []ChangeResult `json:"results"`  // in the order of the request
	Revision int64          `json:"revision"` // of the store, with all that was changed
	Shown    bool           `json:"shown"`    // this server shows all that was changed; false: it was too late for that
}

// postChanges carries out many requests about one unit each. They stand and fall by themselves.
func (s *Server) postChanges(w http.ResponseWriter, r *http.Request) error {
	raw, err := s.readBody(r, s.o.Limits.many(), "request body")
	if err != nil {
		return err
	}
	if !utf8.Valid(raw) {
		return badRequest("unable to decode body: it is not UTF-8; send a file that is not as fileBase64")
	}
	var body changesRequest
	if err := decode(raw, &body); err != nil {
		return whichChange(raw, err)
	}
	if err := checkChanges(body.Changes); err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, s.carryOutAll(r.Context(), body.Changes))
}

// whichChange says of a body that cannot be decoded which change it is because of, if it is because of one.
func whichChange(raw []byte, err error) error {
	var body struct {
		Changes []json.RawMessage `json:"changes"`
	}
	if json.Unmarshal(raw, &body) != nil {
		return err
	}
	for i, change := range body.Changes {
		problem := decodeStrictly(change, new(changeRequest))
		if problem == nil {
			continue
		}
		where := fmt.Sprintf("changes[%d]", i)
		var named struct {
			Name string `json:"name"`
		}
		if _ = json.Unmarshal(change, &named); named.Name != "" { // whatever else is wrong with it
			where += ", unit " + strconv.Quote(named.Name)
		}
		if illegal := base64.CorruptInputError(0); errors.As(problem, &illegal) {
			return badRequest("unable to decode body: %s: fileBase64 is not base64: %v", where, illegal)
		}
		return badRequest("unable to decode body: %s: %s", where, decodeProblem(problem))
	}
	return err
}

func checkChanges(changes []changeRequest) error {
	switch {
	case len(changes) == 0:
		return badRequest("there are no changes")
	case len(changes) > maxChanges:
		return &Error{
			http.StatusRequestEntityTooLarge,
			fmt.Sprintf("%d changes are more than the limit of %d in one request: send several", len(changes), maxChanges),
		}
	}
	seen := make(map[string]bool, len(changes))
	for _, c := range changes {
		if seen[c.Name] {
			return badRequest("unit %s is given twice", c.Name)
		}
		seen[c.Name] = true
	}
	return nil
}

// carryOutAll returns when the cache shows everything that is known to be written, or else says that it does not.
func (s *Server) carryOutAll(ctx context.Context, changes []changeRequest) changesAnswer {
	answer := changesAnswer{Results: make([]ChangeResult, len(changes))}
	revisions := make([]int64, len(changes))
	var group errgroup.Group
	group.SetLimit(changesAtOnce)
	for i, c := range changes {
		group.Go(func() error {
			if errors.Is(context.Cause(ctx), errOverdue) {
				answer.Results[i] = resultOf(c, outcome{}, s.errNotBegun())
				return nil
			}
			out, err := s.carryOutOne(ctx, c)
			revisions[i] = out.unit.Revision
			answer.Results[i] = resultOf(c, out, s.overdue(ctx, err))
			return nil
		})
	}
	_ = group.Wait() // errors are in the results
	var newest int64
	for _, revision := range revisions {
		newest = max(newest, revision)
	}
	s.awaitRevision(ctx, newest)
	s.cache().read(func(v view) {
		answer.Revision, answer.Shown = max(newest, v.Revision), v.Revision >= newest
	})
	return answer
}

func (s *Server) carryOutOne(ctx context.Context, c changeRequest) (outcome, error) {
	a, err := s.ask(ctx, c)
	if err != nil {
		return outcome{}, err
	}
	return s.carryOut(ctx, a)
}

func resultOf(c changeRequest, out outcome, err error) ChangeResult {
	result := ChangeResult{Name: unit.Name(c.Name)}
	if err != nil {
		e := answerFor(err)
		result.Code, result.Error = e.Code, e.Error()
		return result
	}
	result.Code, result.Changed = http.StatusNoContent, out.changed
	if out.created {
		result.Code, result.Created = http.StatusCreated, true
	}
	result.Generation = out.unit.Generation
	if c.Destroy {
		result.Generation = out.unit.Generation // whatever is submitted under this name later has a greater one
	}
	return result
}

// ask is the same request about one unit alone.
func (s *Server) ask(ctx context.Context, c changeRequest) (ask, error) {
	if err := c.check(); err != nil {
		return ask{}, err
	}
	a := ask{verb: "change", only: c.conditions()}
	var err error
	switch {
	case c.Destroy:
		a.name, err = s.destroyable(c.Name)
		a.edit = destroy
		return a, err
	case c.Restart:
		a.name, err = parseName(c.Name)
		a.edit = restart(a.name)
		return a, err
	}
	sub, err := c.submission()
	if err != nil {
		return ask{}, err
	}
	a.name, a.edit = sub.name, sub.demand
	if sub.file != nil {
		a.edit = s.submit(ctx, sub, c.Replace == nil || *c.Replace)
	}
	return a, nil
}

// check refuses what contradicts itself.
func (c changeRequest) check() error {
	files := 0
	for _, sent := range []bool{c.File != nil, c.FileBase64 != nil, len(c.Options) > 0} {
		if sent {
			files++
		}
	}
	state := files > 0 || c.DesiredState != ""
	switch {
	case !state && !c.Destroy && !c.Restart && c.Name != "":
		return badRequest("nothing is asked of the unit: expect a file, fileBase64, options, desiredState, restart or destroy")
	case files > 1:
		return badRequest("send one of file, fileBase64 and options")
	case c.Destroy && (state || c.Restart):
		return badRequest("a unit that is destroyed has no file, no desired state and no restart")
	case c.Restart && state:
		return badRequest("a restart goes with neither a file nor a desired state: a unit whose file is replaced is restarted")
	case c.IfAbsent && c.IfMatch != 0:
		return badRequest("ifMatch and ifAbsent exclude each other")
	case c.IfMatch < 0:
		return badRequest("ifMatch: a generation is not negative")
	}
	return nil
}

func (c changeRequest) conditions() conditions {
	var only conditions
	if c.IfMatch != 0 {
		only.match = func(generation int64) bool { return generation == c.IfMatch }
	}
	if c.IfAbsent {
		only.noneMatch = func(int64) bool { return true }
	}
	return only
}

func (c changeRequest) submission() (*submission, error) {
	sub, err := newSubmission(c.Name, c.DesiredState)
	switch {
	case err != nil:
		return nil, err
	case c.File != nil:
		return sub, sub.addBytes([]byte(*c.File))
	case c.FileBase64 != nil:
		return sub, sub.addBytes(*c.FileBase64)
	case len(c.Options) > 0:
		return sub, sub.addOptions(c.Options)
	}
	return sub, nil
}

// Err is the error that the same request about this unit alone would have had, an *Error, or nil.
func (r ChangeResult) Err() error {
	if r.Error == "" {
		return nil
	}
	return &Error{r.Code, r.Error}
}
