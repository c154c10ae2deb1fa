package api

import (
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// lingerFor is longer than fleet 1's fleetctl needs to look at a unit: it does so four times a second.
const lingerFor = time.Second

// lingering are units that fleet 1's fleetctl has just asked to be loaded while they ran. Its `restart` does
// that, waits until the unit is said to be launched, and asks for launched again: with fleet 1 stopping took a second to
// begin. If it were told the truth by then it would wait for ever, and the unit stay stopped. So for a second
// it is told that the unit still runs. Nobody else is.
type lingering struct {
	mu    sync.Mutex
	until map[unit.Name]time.Time
}

func fromFleet1(r *http.Request) bool {
	return strings.HasPrefix(r.UserAgent(), "google-api-go-client/")
}

// launched tells whether the unit's current state is launched.
func (s *Server) launched(name unit.Name) (yes bool) {
	s.cache().read(func(v view) { yes = v.unit(name, detail{}).CurrentState == cluster.Launched })
	return yes
}

// begin remembers a unit that has run until now.
func (l *lingering) begin(name unit.Name, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.until == nil {
		l.until = make(map[unit.Name]time.Time)
	}
	maps.DeleteFunc(l.until, func(_ unit.Name, until time.Time) bool { return until.Before(now) })
	l.until[name] = now.Add(lingerFor)
}

// shown is the current state of a unit in the eyes of fleet 1's fleetctl.
func (l *lingering) shown(u Unit, now time.Time) cluster.DesiredState {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u.DesiredState == cluster.Loaded && u.CurrentState == cluster.Loaded && now.Before(l.until[u.Name]) {
		return cluster.Launched
	}
	return u.CurrentState
}
