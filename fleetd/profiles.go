package main

import (
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
)

// profilesPath is where profiles of this process are.
const profilesPath = "/debug/pprof/"

// handlerOn is what one listener serves: h, and on a unix socket profiles of this process as well. They show what
// it does and cost it time, so they are for who is root here anyway; no other listener has them.
func handlerOn(l net.Listener, h http.Handler) http.Handler {
	if l.Addr().Network() != "unix" {
		return h
	}
	profiles := http.NewServeMux()
	profiles.HandleFunc(profilesPath, pprof.Index)
	profiles.HandleFunc(profilesPath+"cmdline", pprof.Cmdline)
	profiles.HandleFunc(profilesPath+"profile", pprof.Profile)
	profiles.HandleFunc(profilesPath+"symbol", pprof.Symbol)
	profiles.HandleFunc(profilesPath+"trace", pprof.Trace)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, profilesPath) {
			profiles.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
