package fence

import (
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

// lookLeft is how often it is looked whether units have gone.
const lookLeft = 10 * time.Millisecond

// stopped is the end that systemd asked for. It stops bound units before their fence; if one has processes all the
// same it was not systemd that asked, and they are not left unguarded.
func (g *guard) stopped() error {
	left, err := g.o.Host.Left()
	if err == nil && len(left) == 0 {
		return g.o.Host.Announce(Guard{})
	}
	return g.end(errors.Join(fmt.Errorf("told to stop before %v", left), err), g.times.Kill)
}

// end has systemd stop the units that are bound, ends by force what is left of them after the grace, and returns why it had to.
//
// Permits go last: without its permit a unit cannot run the commands that it is stopped with.
func (g *guard) end(why error, grace time.Duration) error {
	g.o.Logger.Error("ending the units that are bound to this fence", "session", g.session.Session, "reason", why, "grace", grace)
	killAt := earlier(time.Now().Add(grace), g.endAt().Add(g.times.Kill))
	if err := g.o.Host.Announce(Guard{}); err != nil {
		g.o.Logger.Error("cannot take back what was announced", "err", err)
	}
	// If this process is stopped from here on, the kernel ends it when it should have been done.
	g.mark(killAt)
	g.deadline(killAt.Add(tolerance(g.times)))
	limit := max(0, time.Until(killAt)) + tolerance(g.times)
	g.o.notify(fmt.Sprintf("STOPPING=1\nEXTEND_TIMEOUT_USEC=%d\nSTATUS=Ending units: %v", limit.Microseconds(), why))
	if err := g.o.Host.KillFrozen(); err != nil {
		g.o.Logger.Error("cannot kill frozen units", "err", err)
	}
	return errors.Join(why, finish(g.o.Host, killAt, tolerance(g.times)))
}

// finish waits until no bound unit has a process. From killAt on it ends them by force, for as long as patience.
func finish(h Host, killAt time.Time, patience time.Duration) error {
	for time.Now().Before(killAt) {
		if left, err := h.Left(); err == nil && len(left) == 0 {
			break
		}
		time.Sleep(min(lookLeft, max(0, time.Until(killAt))))
	}
	// Without permits nothing new of a unit can be run, so that killing comes to an end.
	errRevoke := h.Revoke(cluster.Session{})
	giveUp := time.Now().Add(patience)
	for {
		errKill := h.Kill()
		left, err := h.Left()
		if err == nil && len(left) == 0 {
			return errRevoke
		}
		if time.Now().After(giveUp) {
			return errors.Join(fmt.Errorf("still there although killed: %v", left), errRevoke, errKill, err)
		}
		time.Sleep(lookLeft)
	}
}

// Kill does what is left to do of a fence that has ended, in whatever way: bound units, which systemd is stopping, may
// take as long as the fence would have given them, counted from now but no longer than until the time that it has marked, and
// are then ended by force. hurry: they have had that time.
//
// extend tells systemd for how long it will take.
func Kill(h Host, last Guard, hurry bool, extend func(time.Duration)) error {
	grace := last.Times.Kill
	if at := h.Marked(); !at.IsZero() {
		grace = min(grace, time.Until(at))
	}
	if hurry || grace < 0 {
		grace = 0
	}
	patience := max(last.Times.TTL, 10*time.Second)
	extend(grace + patience)
	errAnnounce := h.Announce(Guard{})
	errFrozen := h.KillFrozen()
	return errors.Join(errAnnounce, errFrozen, finish(h, time.Now().Add(grace), patience))
}
