package etcd

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A member that freezes, or whose host is cut off, breaks no connection for a long time. A stream that has
// heard nothing for a while (silence) asks the member to speak, and is given up when it does not for another (patience).
type hearing struct{ silence, patience time.Duration }

// hearingFor is half of the TTL of sessions in sum: the loss of a machine is not seen late because a member of etcd was
// lost with it, and the longer the TTL, the less etcd is asked. With one of less than 10 s members are not asked
// more often, and with one of more than a minute not more rarely: what they would tell meanwhile comes late, too.
func hearingFor(ttl time.Duration) hearing {
	ttl = min(max(ttl, 10*time.Second), time.Minute)
	return hearing{silence: ttl * 3 / 10, patience: ttl * 2 / 10}
}

// errSilent: the member at the other end of a stream shows no sign of life.
var errSilent = fmt.Errorf("etcd does not answer on an open watch: %w", context.DeadlineExceeded)

// guard watches over the silence of one watch stream, on timers.
type guard struct {
	hearing
	ask    func() // has the other end speak
	giveUp func()

	mu    sync.Mutex
	timer *time.Timer
	asked bool
	over  bool
}

// newGuard begins to wait for the first sign of life, which the stream owes
// without being asked, for so long.
func newGuard(first time.Duration, h hearing, ask, giveUp func()) *guard {
	g := &guard{hearing: h, ask: ask, giveUp: giveUp, asked: true}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer = time.AfterFunc(first, g.silent)
	return g
}

// listen begins another wait: the other end was heard.
func (g *guard) listen() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = false
	g.timer.Reset(g.silence)
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
		g.timer.Reset(g.patience)
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
