package api

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"fleet/cluster"
	"fleet/unit"
)

// parameters reads the query of a request. A value that cannot be read is refused: without its filter the
// request would be about everything. What has no name and no value is left out, as in v1.
func parameters(r *http.Request) (url.Values, error) { return parseParameters(r.URL.RawQuery) }

func parseParameters(raw string) (url.Values, error) {
	query, err := url.ParseQuery(raw)
	if err == nil {
		return query, nil
	}
	for part := range strings.SplitSeq(raw, "&") {
		name, value, ok := strings.Cut(part, "=")
		if _, err := url.ParseQuery(name); err != nil || !ok {
			continue
		}
		if _, err := url.ParseQuery(part); err != nil {
			return nil, badRequest("parameter %s: %q: %v; a percent sign is written %%25, and a semicolon %%3B", name, value, err)
		}
	}
	return query, nil
}

// listQuery is what a list is asked for.
type listQuery struct {
	filter
	order  order
	fields fieldSet
	limit  int
	token  pageToken
	text   string // everything that decides which items there are and in which order, in one form
}

// Words of systemd that a filter may ask for. Sub states are too many to list, and depend on the type of the unit.
var (
	loadStates   = []string{"stub", "loaded", "not-found", "bad-setting", "error", "merged", "masked"}
	activeStates = []string{
		"active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing",
	}
	phases        = []string{string(cluster.Working), string(cluster.Done), string(cluster.Failed), string(cluster.Nowhere)}
	desiredStates = []string{string(cluster.Inactive), string(cluster.Loaded), string(cluster.Launched)}
)

// unitFilters say nothing about a machine.
var unitFilters = []string{paramDesired, paramLoad, paramActive, paramSub, paramPhase, paramGlobal}

// query reads the parameters of a list whose items have these fields.
func (s *Server) query(list string, query url.Values, known fields) (*listQuery, error) {
	if list == "machines" {
		for _, parameter := range unitFilters {
			if query.Get(parameter) != "" {
				return nil, badRequest("parameter %s is about units: machines can be selected by %s", parameter,
					words([]string{paramMachine, paramSelector, paramName, paramGlob}))
			}
		}
	}
	q := &listQuery{text: list + "?" + canonical(query)}
	var err error
	if q.filter, err = parseFilter(query); err != nil {
		return nil, err
	}
	if q.order, err = parseOrder(query.Get(paramSort), known); err != nil {
		return nil, err
	}
	if q.fields, err = parseFields(query[paramFields], known); err != nil {
		return nil, err
	}
	if q.limit, err = s.pageLimit(query.Get(paramLimit)); err != nil {
		return nil, err
	}
	q.token, err = requestedPage(query, q)
	return q, err
}

func parseFilter(query url.Values) (filter, error) {
	f := filter{
		names: slices.Sorted(slices.Values(sent[unit.Name](query, paramName))), machines: sent[cluster.MachineID](query, paramMachine),
		sub: sent[string](query, paramSub),
	}
	slices.Sort(f.machines)
	f.names, f.machines = slices.Compact(f.names), slices.Compact(f.machines)
	var err error
	if f.desired, err = oneOf[cluster.DesiredState](query, paramDesired, desiredStates); err != nil {
		return f, err
	}
	if f.load, err = oneOf[string](query, paramLoad, loadStates); err != nil {
		return f, err
	}
	if f.active, err = oneOf[string](query, paramActive, activeStates); err != nil {
		return f, err
	}
	if f.phases, err = oneOf[cluster.Phase](query, paramPhase, phases); err != nil {
		return f, err
	}
	if f.globs, err = parseGlobs(query); err != nil {
		return f, err
	}
	for _, text := range sent[string](query, paramSelector) {
		requirement, err := unit.ParseRequirement(text)
		if err != nil {
			return f, badRequest("parameter %s: %v", paramSelector, err)
		}
		f.selector = append(f.selector, requirement)
	}
	if f.absent, err = boolParameter(query.Get(paramAbsent), false); err != nil {
		return f, badRequest("parameter %s: %v", paramAbsent, err)
	}
	for _, text := range sent[string](query, paramGlobal) {
		global, err := boolParameter(text, false)
		if err != nil || f.global != nil && *f.global != global {
			return f, badRequest("parameter %s: expect true or false", paramGlobal)
		}
		f.global = &global
	}
	return f, nil
}

// sent returns the values of a parameter. An empty one is none, as in v1.
func sent[S ~string](query url.Values, parameter string) []S {
	var values []S
	for _, v := range query[parameter] {
		if v != "" {
			values = append(values, S(v))
		}
	}
	return values
}

func oneOf[S ~string](query url.Values, parameter string, known []string) ([]S, error) {
	values := sent[S](query, parameter)
	for _, v := range values {
		if !slices.Contains(known, string(v)) {
			return nil, badRequest("parameter %s: unknown value %q: expect %s", parameter, v, words(known))
		}
	}
	return values, nil
}

// words lists alternatives for people.
func words(all []string) string {
	last := len(all) - 1
	return strings.Join(all[:last], ", ") + " or " + all[last]
}

func (s *Server) pageLimit(text string) (int, error) {
	if text == "" {
		return s.o.PageSize, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 {
		return 0, badRequest("parameter %s: %q: expect a number of items, 1 to %d", paramLimit, text, s.o.PageSize)
	}
	if limit > s.o.PageSize {
		return 0, badRequest("parameter %s: %d is more than the %d items that this fleetd gives on one page (its setting token_limit)",
			paramLimit, limit, s.o.PageSize)
	}
	return limit, nil
}

// canonical writes down which items a list has and in which order, however that was sent.
func canonical(query url.Values) string {
	decisive := url.Values{}
	for _, parameter := range []string{
		paramName, paramGlob, paramMachine, paramDesired, paramLoad, paramActive, paramSub, paramPhase, paramGlobal, paramSelector, paramAbsent,
	} {
		if values := sent[string](query, parameter); values != nil {
			slices.Sort(values)
			decisive[parameter] = slices.Compact(values)
		}
	}
	if by := query.Get(paramSort); by != "" {
		decisive.Set(paramSort, by)
	}
	return decisive.Encode()
}

// order is by which field a list is sorted; the zero value is the order of names.
type order struct {
	field   field
	sorted  bool
	reverse bool
}

func parseOrder(text string, known fields) (order, error) {
	if text == "" {
		return order{}, nil
	}
	name, reverse := strings.CutPrefix(text, "-")
	f, ok := known.find(name)
	if !ok || !f.sortable {
		return order{}, badRequest("parameter %s: cannot sort by %q: expect %s, or one of these behind a \"-\"",
			paramSort, name, words(known.sortable()))
	}
	return order{field: f, sorted: true, reverse: reverse}, nil
}

// row is the place of an item in an order.
type row struct {
	value      string // of the field that is sorted by, in a form whose order is that of strings
	key, minor string
}

func (o order) compare(a, b row) int {
	byValue := strings.Compare(a.value, b.value)
	if o.reverse {
		byValue = -byValue
	}
	return cmp.Or(byValue, strings.Compare(a.key, b.key), strings.Compare(a.minor, b.minor))
}
