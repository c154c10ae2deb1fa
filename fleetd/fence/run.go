package fence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"fleet/cluster"
)

// lookEvery is how often a fence without a session looks for one.
const lookEvery = 250 * time.Millisecond

// leftOvers is how long it may take to be rid of what a former fence has left.
const leftOvers = 10 * time.Second

// A SetupError: this fence can guard nothing, and neither could the next one.
type SetupError struct{ err error }

func (e *SetupError) Error() string { return e.err.Error() }
func (e *SetupError) Unwrap() error { return e.err }

// Run waits for a session, and guards it until it ends or ctx does. It returns when no bound unit has a
// process any more: nil when ctx has ended and none had, otherwise why it had to end them.
func Run(ctx context.Context, o Options) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := o.check(Times(time.Minute)); err != nil {
		return &SetupError{err}
	}
	// Nothing that is bound can be meant to run while no fence was active. What cannot be killed keeps this one from being ready.
	if err := errors.Join(o.Host.Announce(Guard{}), finish(o.Host, time.Now(), leftOvers)); err != nil {
		return fmt.Errorf("make sure that nothing runs unguarded: %w", err)
	}
	g, err := o.begin(ctx)
	if g == nil {
		return err
	}
	defer g.close()
	return g.run(ctx)
}

// begin waits for a session that is alive. It returns nil when ctx has ended.
func (o Options) begin(ctx context.Context) (*guard, error) {
	o.status("Waiting for this machine to be in the cluster")
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	w := waiting{o: o}
	defer w.close()
	for {
		g, err := w.look(ctx)
		if g != nil || err != nil {
			return g, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-tick.C:
		}
	}
}

// waiting is a fence without a session.
type waiting struct {
	o       Options
	client  Renewer
	session Session
	said    string // the last problem that was logged
}

func (w *waiting) close() {
	if w.client != nil {
		_ = w.client.Close()
		w.client = nil
	}
}

// look returns a guard if there is a session and its lease could be renewed.
func (w *waiting) look(ctx context.Context) (*guard, error) {
	session, err := w.o.Session()
	if err != nil {
		w.say("cannot read the session", err)
		return nil, nil
	}
	if session.IsZero() {
		return nil, nil
	}
	if w.client == nil || !slices.Equal(session.Endpoints, w.session.Endpoints) {
		w.close()
		if w.client, err = w.o.Dial(ctx, session.Endpoints); err != nil {
			w.say("cannot make a client of the store", err)
			return nil, nil
		}
	}
	w.session = session
	sent := time.Now()
	try, cancel := context.WithTimeout(ctx, time.Second)
	ttl, err := w.client.Renew(try, session.Lease)
	cancel()
	if err != nil {
		w.say("cannot renew the session yet", err)
		return nil, nil
	}
	times := Times(ttl)
	if err := w.o.check(times); err != nil {
		return nil, &SetupError{err}
	}
	if time.Since(sent) > times.Renewal-margin(times) {
		w.say("the store answers too slowly", nil)
		return nil, nil
	}
	g := &guard{o: w.o, session: session, times: times, client: w.client, good: sent, answers: make(chan answer)}
	w.client = nil
	return g, nil
}

func (w *waiting) say(what string, err error) {
	text := fmt.Sprint(what, err)
	if text == w.said {
		return
	}
	w.said = text
	w.o.Logger.Info(what, "err", err)
}

func (o Options) notify(state string) {
	if err := o.Notify(state); err != nil {
		o.Logger.Error("cannot tell systemd", "state", state, "err", err)
	}
}

func (o Options) status(words string) { o.notify("STATUS=" + words) }

func describe(f cluster.Fence) slog.Attr {
	return slog.Group("times", "ttl", f.TTL, "renewal", f.Renewal, "watchdog", f.Watchdog, "kill", f.Kill)
}
