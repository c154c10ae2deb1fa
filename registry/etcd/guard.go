package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A member that freezes, or whose host is cut off, breaks no connection for a long time. A watch that has
// heard nothing for watchSilence asks the member to speak, and gives it up after watchPatience more.
// Together they are well below the TTL of a session: the loss of a machine is not
// seen late because a member of etcd was lost with it.
const (
	watchSilence  = 3 * time.Second
	watchPatience = 2 * time.Second
)

// errSilent: the member at the other end of a stream shows no sign of life.
var errSilent = fmt.Errorf("etcd does not answer on an open watch: %w", context.DeadlineExceeded)

// guard watches over the silence of one watch stream, on timers.
type guard struct {
	ask    func() // has the other end speak
	giveUp func()

	mu    sync.Mutex
	timer *time.Timer
	asked bool
	over  bool
}

// newGuard begins to wait for the first sign of life, which the stream owes
// without being asked, for so long.
func newGuard(patience time.Duration, ask, giveUp func()) *guard {
	g := &guard{ask: ask, giveUp: giveUp, asked: true}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(patience, g.silent)
	return g
}

// listen begins another wait: the other end was heard.
func (g *guard) listen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = false
	g.timer.Reset(watchSilence)
}

// stop ends the wait for good.
func (g *guard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.over = true
	g.timer.Stop()
}

// silent runs when the wait has lasted.
func (g *guard) silent() {
	g.mu.Lock()
	over, asked := g.over, g.asked
	if !over && !asked {
		g.asked = true
		g.timer.Reset(watchPatience)
	}
	g.mu.Unlock()
	switch {
	case over:
	case asked:
		g.giveUp()
	default:
		g.ask()
	}
}
