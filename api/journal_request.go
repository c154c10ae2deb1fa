package api

import (
	"fmt"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/journal"
)

const (
	// defaultLines are shown of a journal if nobody says how many, as fleet 1's fleetctl did.
	defaultLines = 10
	// maxLines may be asked for by number, as they are held in memory while several machines' are
	// merged; "all" has no limit.
	maxLines = 100_000

	sincePlaced = "placed"
	linesAll    = "all"
)

// journalRequest is what a journal is asked for.
type journalRequest struct {
	query      journal.Query
	machine    cluster.MachineID // empty: all that have the unit
	everywhere bool
	output     string
	printer    journal.Printer
	// cursors are where a reader was that continues, by machine; an empty one means the query. nil: it begins.
	cursors map[cluster.MachineID]string
}

// formType is the type of a body of parameters.
const formType = "application/x-www-form-urlencoded"

// journalParameters are those of the URL, and of the body of a POST: it is for who continues where so many
// machines have the unit that their cursors make too long a URL.
func (s *Server) journalParameters(r *http.Request) (url.Values, error) {
	query, err := parameters(r)
	if err != nil || r.Method != http.MethodPost {
		return query, err
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != formType {
		return nil, &Error{http.StatusUnsupportedMediaType, "only acceptable Content-Type is " + formType}
	}
	body, err := s.readBody(r, s.o.Limits.body(), "request body")
	if err != nil {
		return nil, err
	}
	more, err := parseParameters(string(body))
	if err != nil {
		return nil, err
	}
	for name, values := range more {
		query[name] = append(query[name], values...)
	}
	return query, nil
}

// parseJournal reads the parameters. A parameter that is not known is refused: a filter
// that is not applied would show what was not asked for.
func parseJournal(query url.Values, forwarded bool, now time.Time) (journalRequest, error) {
	known := []string{"cursor", "everywhere", "follow", "lines", "machineID", "output", "since", "until"}
	if forwarded {
		known = append(known, "sync")
	}
	if err := onlyKnown(query, known); err != nil {
		return journalRequest{}, err
	}
	r := journalRequest{machine: cluster.MachineID(query.Get("machineID"))}
	var err error
	for _, p := range []struct {
		name string
		into *bool
	}{{"everywhere", &r.everywhere}, {"follow", &r.query.Follow}, {"sync", &r.query.Sync}} {
		if *p.into, err = boolParameter(query.Get(p.name), false); err != nil {
			return r, badRequest("parameter %s: %v", p.name, err)
		}
	}
	if r.output = query.Get("output"); r.output == "" {
		r.output = "short"
	}
	if r.printer, err = journal.NewPrinter(r.output, now.Location()); err != nil {
		return r, badRequest("parameter output: %v", err)
	}
	if err := r.parseCursors(query["cursor"]); err != nil {
		return r, badRequest("parameter cursor: %v", err)
	}
	if r.query.Lines, err = parseLines(query.Get("lines"), r.cursors != nil); err != nil {
		return r, badRequest("parameter lines: %v", err)
	}
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"since", &r.query.Since}, {"until", &r.query.Until}} {
		text := query.Get(p.name)
		switch {
		case text == "":
		case text == sincePlaced && p.name == "since":
			r.query.Placed = true
		default:
			if *p.into, err = journal.ParseTime(text, now); err != nil {
				return r, badRequest("parameter %s: %v", p.name, err)
			}
		}
	}
	switch {
	case r.query.Follow && !r.query.Until.IsZero():
		return r, badRequest("parameters follow and until do not go together")
	case r.everywhere && r.machine != "":
		return r, badRequest("parameters everywhere and machineID do not go together")
	}
	return r, nil
}

func onlyKnown(query url.Values, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return badRequest("unknown parameter %q; known are %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (r *journalRequest) parseCursors(all []string) error {
	for _, text := range all {
		id, cursor, ok := strings.Cut(text, ":")
		if !ok || id == "" {
			return fmt.Errorf("%q: expect MACHINEID:CURSOR", text)
		}
		if r.cursors == nil {
			r.cursors = make(map[cluster.MachineID]string)
		}
		r.cursors[cluster.MachineID(id)] = cursor
	}
	return nil
}

// parseLines reads a number of lines, or "all". Who continues wants all that he has not seen.
func parseLines(text string, continues bool) (int, error) {
	switch {
	case text == linesAll, text == "" && continues:
		return journal.All, nil
	case text == "":
		return defaultLines, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q: expect a number, or all", text)
	}
	if n > maxLines {
		return 0, fmt.Errorf("%d is more than the limit of %d; all has no limit", n, maxLines)
	}
	return n, nil
}

// first is what one machine is asked for at first.
func (r journalRequest) first(id cluster.MachineID) journal.Query {
	q := r.query
	q.Follow = false
	if r.cursors == nil {
		return q
	}
	cursor, known := r.cursors[id]
	q.After, q.Placed = cursor, !known
	return q
}
