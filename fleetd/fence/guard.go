package fence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

// guard is a session being guarded. Its fields belong to the goroutine of run.
type guard struct {
	o       Options
	session Session
	times   cluster.Fence
	client  Renewer
	answers chan answer

	good   time.Time // when the last renewal was sent that came back in time
	fed    time.Time // the value of good when systemd was told last that all is well: twice for each renewal
	again  bool      // it was told for the second time
	frozen bool
}

// answer is how a renewal ended.
type answer struct {
	sent, back time.Time
	err        error
}

func (g *guard) close() { _ = g.client.Close() }

// run guards until the session ends, or ctx.
func (g *guard) run(ctx context.Context) error {
	if err := g.o.Host.Revoke(g.session.Session); err != nil {
		return fmt.Errorf("take back permits of former sessions: %w", err)
	}
	if err := g.o.Host.Announce(Guard{Life: g.o.Life, Session: g.session.Session, Times: g.times}); err != nil {
		return fmt.Errorf("announce the session: %w", err)
	}
	if err := g.ready(); err != nil {
		return g.end(err, g.times.Kill)
	}
	g.o.Logger.Info("guarding", "session", g.session.Session, describe(g.times))

	// Renewals under way end with the guard.
	tries, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	due := time.NewTicker(period(g.times))
	defer due.Stop()
	for {
		if err := g.look(); err != nil {
			return g.end(err, g.times.Kill)
		}
		wake := time.NewTimer(time.Until(g.next()))
		select {
		case <-ctx.Done():
			wake.Stop()
			return g.stopped()
		case <-due.C:
			if err := g.replaced(); err != nil {
				return g.end(err, g.times.Kill)
			}
			go g.renew(tries)
		case a := <-g.answers:
			if errors.Is(a.err, ErrGone) {
				return g.end(a.err, 0)
			}
			g.take(a)
		case <-wake.C:
		}
		wake.Stop()
	}
}

// renew sends one renewal, and waits for it no longer than it counts.
func (g *guard) renew(ctx context.Context) {
	try, cancel := context.WithTimeout(ctx, g.times.Renewal)
	defer cancel()
	a := answer{sent: time.Now()}
	_, a.err = g.client.Renew(try, g.session.Lease)
	a.back = time.Now()
	select {
	case g.answers <- a:
	case <-ctx.Done():
	}
}

// take counts a renewal if it came back in time.
func (g *guard) take(a answer) {
	if a.err != nil || a.back.Sub(a.sent) > g.times.Renewal || !a.sent.After(g.good) {
		return
	}
	g.good, g.again = a.sent, false
	g.last()
}

// last says by when this process has to have ended, and by when its units, unless there is a later renewal.
func (g *guard) last() {
	end := g.good.Add(g.times.Renewal + g.times.Watchdog)
	g.mark(end.Add(g.times.Kill))
	g.deadline(end)
}

// mark tells whoever ends the units after this process by when they have to be gone: on a host that stood still
// as a whole that may be past.
func (g *guard) mark(at time.Time) {
	if err := g.o.Host.Mark(at); err != nil {
		g.o.Logger.Error("cannot write down by when units have to be gone", "err", err)
	}
}

// deadline is what holds if this process stands still between looking at the clock and telling systemd what it saw.
func (g *guard) deadline(at time.Time) {
	if g.o.Unchecked {
		return
	}
	if err := g.o.Deadline(at); err != nil {
		g.o.Logger.Error("cannot set the deadline anew; the former one holds", "err", err)
	}
}

// The times that follow from the last good renewal.

// feedAgain is when systemd is told of it for a second time, as late as that is allowed: its watchdog then
// waits as long as it may.
func (g *guard) feedAgain() time.Time { return g.good.Add(g.times.Renewal - margin(g.times)) }

// freezeAt is when the next renewal should have come back.
func (g *guard) freezeAt() time.Time { return g.good.Add(period(g.times) + g.times.Renewal) }

// endAt is when to begin to end the units; a little sooner than systemd's watchdog would.
func (g *guard) endAt() time.Time {
	return g.good.Add(g.times.Renewal + g.times.Watchdog - 2*margin(g.times))
}

// next is when to look if nothing happens.
func (g *guard) next() time.Time {
	next := g.endAt()
	if !g.again {
		next = earlier(next, g.feedAgain())
	}
	if !g.frozen {
		next = earlier(next, g.freezeAt())
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// look does what is due by now.
func (g *guard) look() error {
	now := time.Now()
	if !now.Before(g.endAt()) {
		return fmt.Errorf("no renewal has come back for %s", now.Sub(g.good).Round(time.Millisecond))
	}
	if !g.frozen && !now.Before(g.freezeAt()) {
		g.freeze()
	}
	if g.frozen && now.Before(g.freezeAt()) {
		g.thaw()
	}
	second := !g.again && !now.Before(g.feedAgain())
	if g.fed.Equal(g.good) && !second {
		return nil
	}
	g.fed, g.again = g.good, second
	return g.feed("WATCHDOG=1")
}

// feed tells systemd that all is well, if it is: for no longer than Renewal after the renewal was sent that says so.
// Whoever was stopped between looking at the clock and saying it has fooled systemd, and gives up before that can do harm.
func (g *guard) feed(state string) error {
	if time.Since(g.good) > g.times.Renewal {
		return nil
	}
	if err := g.o.Notify(state); err != nil {
		return fmt.Errorf("tell systemd that all is well: %w", err)
	}
	if late := time.Since(g.good); late > g.times.Renewal+tolerance(g.times) {
		return fmt.Errorf("this process stood still: systemd was told of a renewal %s after it was sent", late.Round(time.Millisecond))
	}
	return nil
}

// ready has systemd start what waits for the fence, and begin to watch.
func (g *guard) ready() error {
	state := "READY=1\nSTATUS=Guarding session " + g.session.String()
	if !g.o.Unchecked {
		state = fmt.Sprintf("WATCHDOG_USEC=%d\n", g.times.Watchdog.Microseconds()) + state
	}
	if time.Since(g.good) > g.times.Renewal {
		return errors.New("the first renewal is too long ago")
	}
	g.last()
	g.fed = g.good
	return g.feed(state)
}

func (g *guard) freeze() {
	g.frozen = true
	g.o.Logger.Warn("a renewal is late: units that want it are frozen", "session", g.session.Session)
	if err := g.o.Host.Freeze(); err != nil {
		g.o.Logger.Error("cannot freeze", "err", err)
	}
}

func (g *guard) thaw() {
	g.frozen = false
	g.o.Logger.Info("renewed again: frozen units go on", "session", g.session.Session)
	if err := g.o.Host.Thaw(); err != nil {
		g.o.Logger.Error("cannot thaw", "err", err)
	}
}

// ErrReplaced: the machine has another session than the one that is guarded.
var ErrReplaced = errors.New("the machine has another session")

// replaced tells whether there is another session now. A file that cannot be read says nothing.
func (g *guard) replaced() error {
	now, err := g.o.Session()
	if err != nil || now.IsZero() || now.Session == g.session.Session {
		return nil
	}
	return fmt.Errorf("%w: %s, not %s", ErrReplaced, now.Session, g.session.Session)
}
