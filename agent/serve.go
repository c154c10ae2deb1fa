package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
	"fleet/unit"
)

const (
	// reportPause is the least time between two reports, to which each unit adds its share: a report says everything of all of
	// them, and is read by every fleetd. maxReportPause bounds it.
	reportPause    = 50 * time.Millisecond
	reportShare    = 250 * time.Microsecond
	maxReportPause = time.Second
	// reportSteps is the least time that a report waits for steps under way. Both pauses are reportTimes as long as the store
	// took for the last report, if that is more: one that is slow has more to do than it can, and most of that are reports.
	reportSteps = 100 * time.Millisecond
	reportTimes = 4
	// reportRetry is the longest pause before a report that failed is tried again.
	reportRetry = 5 * time.Second
)

// Session is what the agent needs of the machine's presence in the cluster.
type Session interface {
	Session() cluster.Session
	// FollowOrders calls fn with the machine's newest orders, at once and after
	// every change, until ctx ends. Orders that are missing are zero Orders.
	FollowOrders(ctx context.Context, fn func(cluster.Orders) error) error
	// File returns the bytes with that id.
	File(ctx context.Context, id unit.ContentID) ([]byte, error)
	// Report writes the machine's report; cluster.ErrSessionLost if the session is over.
	Report(ctx context.Context, r cluster.Report) error
}

// serving is the session that the agent serves at present.
type serving struct {
	ctx context.Context // of Serve: files are fetched for as long as it lasts
	Session
}

// file fetches a file, unless ctx or the session ends first.
func (s *serving) file(ctx context.Context, id unit.ContentID) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	raw, err := s.File(ctx, id)
	if s.ctx.Err() != nil {
		return nil, errNoSession
	}
	return raw, err
}

// Serve obeys the session's orders and reports to it, until ctx ends. The
// report comes first, so that orders are given in the knowledge of what is
// here. Units go on when it returns; Run's steps for it come to their end and
// nothing follows them. It returns nil when ctx ended, and an error when the
// session cannot be served: it was lost, or its orders cannot be followed.
func (a *Agent) Serve(ctx context.Context, s Session) error {
	select {
	case <-a.board.seen:
	case <-ctx.Done():
		return nil
	}
	g, inner := errgroup.WithContext(ctx)
	if err := a.enter(&serving{ctx: inner, Session: s}); err != nil {
		return err
	}
	defer a.leave()
	reported := make(chan struct{})
	g.Go(func() error { return a.report(inner, s, reported) })
	g.Go(func() error {
		select {
		case <-reported:
		case <-inner.Done():
			return nil
		}
		return s.FollowOrders(inner, a.takeOrders)
	})
	g.Go(func() error { a.keepFence(inner); return nil })
	err := g.Wait()
	if ctx.Err() != nil || err == nil {
		return nil
	}
	return fmt.Errorf("serve session %s: %w", s.Session(), err)
}

// enter begins a session: whatever was ordered before it is void.
func (a *Agent) enter(s *serving) error {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	if b.serving != nil {
		return fmt.Errorf("serve session %s: %s is still being served", s.Session.Session(), b.Session)
	}
	a.change(s, s.Session.Session())
	a.log.Info("session begins", "session", b.Session)
	return nil
}

func (a *Agent) leave() {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	a.log.Info("session is over, units are kept as they are", "session", b.Session)
	a.change(nil, cluster.Session{})
}

// change makes s the session, which has been given no orders yet. Nobody
// waits for jobs of the one before: what systemd has not begun by now (it may
// be out of reach) must not begin later.
func (a *Agent) change(s *serving, session cluster.Session) {
	b := &a.board
	b.serving, b.Session = s, session
	b.Orders, b.taken = cluster.Orders{}, 0
	for name := range b.cancel {
		b.interrupt(name)
	}
	b.fresh.all = true
	b.prune()
	b.showAll()
	a.tellGuarded()
	a.wake.ring()
}

// takeOrders is handed the machine's newest orders.
func (a *Agent) takeOrders(o cluster.Orders) error {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	before := b.Orders
	b.Orders = o
	if before.Session != o.Session {
		b.fresh.all = true
		b.prune()
	}
	for name, order := range o.Units {
		if before.Units[name] != order {
			b.fresh.add(name)
		}
		if _, read := b.States[name]; !read {
			b.request.add(name)
			a.look.ring()
		}
	}
	for name := range before.Units {
		if _, still := o.Units[name]; !still {
			b.fresh.add(name)
		}
	}
	a.log.Info("orders", "rev", o.Revision, "session", o.Session, "units", len(o.Units), "obeyed", b.Obeys())
	a.wake.ring()
	return nil
}

// report writes the report whenever it differs from what was written last: at
// once when it has been quiet, and then with a pause for more to come.
func (a *Agent) report(ctx context.Context, s Session, first chan<- struct{}) error {
	trouble := streak{log: a.log, doing: "report", longest: reportRetry}
	var written cluster.Report
	for a.tell.ring(); a.tell.wait(ctx); {
		r := a.compose()
		if first == nil && sameReport(r, written) {
			continue
		}
		began := time.Now()
		err := s.Report(ctx, r)
		a.o.Events.reported(ctx, began, err)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, cluster.ErrSessionLost):
			return err
		case err != nil:
			a.tell.ring()
			sleep(ctx, trouble.failed(err))
			continue
		}
		trouble.over()
		took := time.Since(began)
		a.board.Lock()
		a.board.reporting = took
		a.board.Unlock()
		written = r
		if first != nil {
			close(first)
			first = nil
		}
		sleep(ctx, reportWait(reportPause+time.Duration(len(r.Units))*reportShare, took))
	}
	return nil
}

// reportWait is how long to wait for more to report: for least, or for longer after a report for which the store took so long.
func reportWait(least, took time.Duration) time.Duration {
	return min(max(least, reportTimes*took), maxReportPause)
}
