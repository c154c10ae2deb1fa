package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// prefixes are the two names of one API, as segments of a path.
var prefixes = [][]string{{"fleet", "v1"}, {"v1-alpha"}}

type handler func(w http.ResponseWriter, r *http.Request) error

// resource is what one path answers, by method.
type resource map[string]handler

// route is one path of the API below its prefixes. A segment in braces stands for anything but nothing.
type route struct {
	path string
	resource
}

// Paths that are known elsewhere.
const (
	pathStore   = "store"
	pathJournal = "units/{name}/journal"
	pathStatus  = "units/{name}/status"
)

// routes is the whole API. A call that is added here has to be described in openapi.json, or a test fails.
func (s *Server) routes() []route {
	return []route{
		{"alarms", resource{http.MethodGet: s.getAlarms}},
		{"alarms/{name}/ack", resource{http.MethodPost: s.bounded(with("name", s.postAck))}},
		{"changes", resource{http.MethodPost: s.bounded(s.postChanges)}},
		{"discovery", resource{http.MethodGet: s.getDiscovery}},
		{"events", resource{http.MethodGet: s.getEvents}},
		{"history", resource{http.MethodGet: s.getHistory}},
		{"machines", resource{http.MethodGet: s.listMachines, http.MethodPatch: s.bounded(s.patchMachines)}},
		{"machines/{id}", resource{http.MethodGet: with("id", s.getMachine), http.MethodDelete: s.bounded(with("id", s.forgetMachine))}},
		{"openapi.json", resource{http.MethodGet: s.getOpenAPI}},
		{"plan", resource{http.MethodPost: s.bounded(s.postPlan)}},
		{"rebalance", resource{http.MethodPost: s.bounded(s.postRebalance)}},
		{"settings", resource{http.MethodGet: s.getSettings}},
		{"state", resource{http.MethodGet: s.listStates}},
		{"state/{name}", resource{http.MethodGet: with("name", s.getState)}},
		{pathStore, resource{http.MethodGet: s.getStore}},
		{pathStore + "/members", resource{http.MethodPost: s.postMember}},
		{pathStore + "/members/{name}", resource{http.MethodPut: with("name", s.putMember), http.MethodDelete: with("name", s.deleteMember)}},
		{pathStore + "/recovery", resource{http.MethodPost: s.postRecovery}},
		{pathStore + "/snapshot", resource{http.MethodGet: s.getSnapshot, http.MethodPut: s.putSnapshot}},
		{"units", resource{http.MethodGet: s.listUnits}},
		{"units/{name}", resource{
			http.MethodGet:    with("name", s.getUnit),
			http.MethodPut:    s.bounded(with("name", s.putUnit)),
			http.MethodDelete: s.bounded(with("name", s.deleteUnit)),
		}},
		{"units/{name}/explanation", resource{http.MethodGet: with("name", s.getExplanation)}},
		{"units/{name}/file", resource{http.MethodGet: with("name", s.getFile), http.MethodPut: s.bounded(with("name", s.putFile))}},
		{pathJournal, resource{http.MethodGet: with("name", s.getJournal), http.MethodPost: with("name", s.getJournal)}},
		{"units/{name}/move", resource{http.MethodPost: s.bounded(with("name", s.postMove))}},
		{"units/{name}/restart", resource{http.MethodPost: s.bounded(with("name", s.restartUnit))}},
		{pathStatus, resource{http.MethodGet: with("name", s.getStatusText)}},
	}
}

// with gives a handler what stands in the path for a segment in braces.
func with(segment string, fn func(http.ResponseWriter, *http.Request, string) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return fn(w, r, r.PathValue(segment)) }
}

// route finds the resource of a path and calls its method.
func (s *Server) route(w http.ResponseWriter, r *http.Request) error {
	path, err := segments(r)
	if err != nil {
		return &Error{Code: http.StatusNotFound}
	}
	if r.URL.Path == "/" || slices.ContainsFunc(prefixes, func(p []string) bool { return slices.Equal(p, path) }) {
		return &Error{Code: http.StatusMethodNotAllowed}
	}
	found := s.find(r, path)
	if found == nil {
		return &Error{Code: http.StatusNotFound}
	}
	res := found.resource
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if handle := res[method]; handle != nil {
		if needsCluster(r, found.path) {
			release, err := s.need(r.Context())
			if err != nil {
				return err
			}
			defer release()
		}
		return handle(w, r)
	}
	w.Header().Set("Allow", res.allow())
	return &Error{http.StatusMethodNotAllowed, res.refusal()}
}

// segments are those of a request's path. It is split before it is decoded, so that a name may contain anything.
func segments(r *http.Request) ([]string, error) {
	path := strings.Split(strings.TrimPrefix(r.URL.EscapedPath(), "/"), "/")
	for i := range path {
		var err error
		if path[i], err = url.PathUnescape(path[i]); err != nil {
			return nil, err
		}
	}
	return path, nil
}

// find is the route of a path; nil: there is none.
func (s *Server) find(r *http.Request, path []string) *route {
	i := slices.IndexFunc(prefixes, func(p []string) bool { return len(path) > len(p) && slices.Equal(p, path[:len(p)]) })
	if i < 0 {
		return nil
	}
	rest := path[len(prefixes[i]):]
	for i := range s.table {
		if s.table[i].matches(r, rest) {
			return &s.table[i]
		}
	}
	return nil
}

// matches compares the segments of a path, and gives the request what stands for those in braces.
func (p route) matches(r *http.Request, path []string) bool {
	words := strings.Split(p.path, "/")
	if len(words) != len(path) {
		return false
	}
	for i, word := range words {
		name, isName := strings.CutPrefix(word, "{")
		switch {
		case !isName && word != path[i], path[i] == "":
			return false
		case isName:
			r.SetPathValue(strings.TrimSuffix(name, "}"), path[i])
		}
	}
	return true
}

// methods lists what is supported in the order in which fleet 1 names it.
func (res resource) methods() []string {
	order := []string{http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete}
	return slices.DeleteFunc(order, func(m string) bool { return res[m] == nil })
}

func (res resource) allow() string {
	allow := res.methods()
	if res[http.MethodGet] != nil {
		allow = append(allow, http.MethodHead)
	}
	return strings.Join(allow, ", ")
}

func (res resource) refusal() string {
	names := res.methods()
	list := strings.Join(names, ", ")
	if last := len(names) - 1; last > 0 {
		list = strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return "only " + list + " supported against this resource"
}
