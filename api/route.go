package api

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// prefixes are the two names of one API.
var prefixes = []string{"/fleet/v1", "/v1-alpha"}

type handler func(w http.ResponseWriter, r *http.Request) error

// resource is what one path answers, by method.
type resource map[string]handler

// route finds the resource of a path and calls its method. Paths are split
// before they are decoded, so that a name may contain anything.
func (s *Server) route(w http.ResponseWriter, r *http.Request) error {
	path := r.URL.EscapedPath()
	if path == "/" || slices.Contains(prefixes, path) {
		return &Error{Code: http.StatusMethodNotAllowed}
	}
	res := s.resource(path)
	if res == nil {
		return &Error{Code: http.StatusNotFound}
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // net/http leaves the body out
	}
	if handle := res[method]; handle != nil {
		return handle(w, r)
	}
	w.Header().Set("Allow", res.allow())
	return &Error{http.StatusMethodNotAllowed, res.refusal()}
}

func (s *Server) resource(path string) resource {
	i := slices.IndexFunc(prefixes, func(p string) bool { return strings.HasPrefix(path, p+"/") })
	if i < 0 {
		return nil
	}
	segments := strings.Split(path[len(prefixes[i])+1:], "/")
	if len(segments) == 1 {
		return s.collection(segments[0])
	}
	name, err := url.PathUnescape(segments[1])
	if err != nil || name == "" {
		return nil
	}
	switch segments[0] {
	case "units":
		return s.unitResource(name, segments[2:])
	case "state":
		if len(segments) == 2 {
			return resource{http.MethodGet: withName(name, s.getState)}
		}
	}
	return nil
}

func (s *Server) collection(name string) resource {
	switch name {
	case "discovery":
		return resource{http.MethodGet: s.getDiscovery}
	case "events":
		return resource{http.MethodGet: s.getEvents}
	case "machines":
		return resource{http.MethodGet: s.listMachines, http.MethodPatch: s.patchMachines}
	case "plan":
		return resource{http.MethodPost: s.postPlan}
	case "rebalance":
		return resource{http.MethodPost: s.postRebalance}
	case "state":
		return resource{http.MethodGet: s.listStates}
	case "units":
		return resource{http.MethodGet: s.listUnits}
	}
	return nil
}

func (s *Server) unitResource(name string, rest []string) resource {
	switch strings.Join(rest, "/") {
	case "":
		if len(rest) > 0 {
			return nil // a slash at the end
		}
		return resource{
			http.MethodGet:    withName(name, s.getUnit),
			http.MethodPut:    withName(name, s.putUnit),
			http.MethodDelete: withName(name, s.deleteUnit),
		}
	case "explanation":
		return resource{http.MethodGet: withName(name, s.getExplanation)}
	case "file":
		return resource{http.MethodGet: withName(name, s.getFile), http.MethodPut: withName(name, s.putFile)}
	case "move":
		return resource{http.MethodPost: withName(name, s.postMove)}
	case "restart":
		return resource{http.MethodPost: withName(name, s.restartUnit)}
	}
	return nil
}

func withName(name string, fn func(http.ResponseWriter, *http.Request, string) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error { return fn(w, r, name) }
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
