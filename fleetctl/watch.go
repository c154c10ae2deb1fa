package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// watch follows units through one event stream, and opens it again whenever it breaks.
type watch struct {
	client *api.Client
	names  map[unit.Name]bool
	first  map[unit.Name]api.Unit // what the stream said until it was in step with the cluster
	news   chan news
	cancel context.CancelFunc
	done   chan struct{}
}

// news is a unit that changed, or why nothing can be seen for the moment.
type news struct {
	unit   api.Unit
	broken error
}

const (
	// maxNames keeps the stream's URL short; a command for more units listens to all and picks.
	maxNames = 200

	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// openWatch returns when the stream is in step with the cluster. That the
// cluster cannot be reached now is an error; later it is news.
func openWatch(ctx context.Context, c *api.Client, names []unit.Name, limit time.Duration) (*watch, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{
		client: c,
		names:  make(map[unit.Name]bool, len(names)),
		first:  make(map[unit.Name]api.Unit, len(names)),
		news:   make(chan news),
		cancel: cancel,
		done:   make(chan struct{}),
	}
	for _, name := range names {
		w.names[name] = true
	}
	opened := make(chan error, 1)
	go func() {
		defer close(w.done)
		w.run(ctx, opened)
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var err error
	select {
	case err = <-opened:
	case <-timer.C:
		err = lateStream(limit)
	case <-ctx.Done():
		err = ctx.Err()
	}
	switch {
	case err == nil:
		return w, nil
	case errors.Is(err, api.ErrNotFound):
		err = &fault{exitError, errors.New("the server has no event stream to wait on, as fleet 1 had none; add --no-block")}
	default:
		err = remote(fmt.Errorf("follow events: %w", err))
	}
	w.close()
	return nil, err
}

// lateStream is the end of the patience with a stream that has not begun.
func lateStream(limit time.Duration) error {
	return fmt.Errorf("the event stream did not start within %s", limit)
}

func (w *watch) close() {
	w.cancel()
	<-w.done
}

func (w *watch) run(ctx context.Context, opened chan<- error) {
	synced := false // once
	o := w.selection()
	o.Told = func(revision int64) { o.Since = revision }
	err := reopen(ctx, func(ctx context.Context, inStep func()) error {
		told := make(map[unit.Name]bool) // by this stream, until it is in step; nil: what it does not tell is as it was
		if o.Since > 0 {
			told = nil
		}
		return w.client.Events(ctx, o, func(e api.Event) error {
			switch {
			case e.Type == api.EventReset:
				told = make(map[unit.Name]bool)
			case e.Type == api.EventSync:
				inStep()
				if !synced {
					synced = true
					opened <- nil
					return nil
				}
				return w.tellGone(ctx, told)
			case e.Type != api.EventUnit || e.Unit == nil || !w.names[e.Unit.Name]:
			case !synced:
				w.first[e.Unit.Name] = *e.Unit
			default:
				if told != nil {
					told[e.Unit.Name] = true
				}
				return send(ctx, w.news, news{unit: *e.Unit})
			}
			return nil
		})
	}, func(err error) error { return send(ctx, w.news, news{broken: lost(err)}) })
	if synced {
		return
	}
	if err == nil {
		err = ctx.Err()
	}
	opened <- err
}

// tellGone tells of the units that a stream which began anew did not: they went while nothing could be seen.
func (w *watch) tellGone(ctx context.Context, told map[unit.Name]bool) error {
	if told == nil {
		return nil
	}
	for name := range w.names {
		if told[name] {
			continue
		}
		if err := send(ctx, w.news, news{unit: api.Unit{Name: name, Absent: true, Outcome: &api.Outcome{Phase: cluster.Done}}}); err != nil {
			return err
		}
	}
	return nil
}

func (w *watch) selection() api.EventsOptions {
	var o api.EventsOptions
	if len(w.names) > maxNames {
		return o
	}
	for name := range w.names {
		o.Units = append(o.Units, name)
	}
	return o
}

func lost(err error) error {
	if err == nil {
		err = errors.New("it ended")
	}
	return fmt.Errorf("the event stream broke, reconnecting: %w", err)
}
