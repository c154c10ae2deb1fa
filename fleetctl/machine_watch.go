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

// noneOfThem fits no unit's name: a stream of machines alone.
const noneOfThem unit.Glob = "/*"

// calm is how long something has to stay as it is before it is taken for the end: that nothing is on its way any more while
// there are units that cannot leave, for instance. The engine may be about to look again.
const calm = time.Second

// machineWatch follows machines, over interruptions.
type machineWatch struct {
	app      *app
	pictures chan picture
	ended    chan error
	cancel   context.CancelFunc

	newest picture
	limit  <-chan time.Time
	after  time.Duration // of limit
}

// openMachineWatch follows machines from now on. The cluster has answered before: whatever breaks is waited for.
func (a *app) openMachineWatch(ctx context.Context, l *line) *machineWatch {
	ctx, cancel := context.WithCancel(ctx)
	w := &machineWatch{
		app: a, pictures: make(chan picture), ended: make(chan error, 1), cancel: cancel,
		newest: picture{broken: errors.New("connecting")},
	}
	o := api.EventsOptions{Globs: []unit.Glob{noneOfThem}, Machines: true, Absent: true}
	go func() { w.ended <- watchPicture(ctx, l.events(), o, true, w.pictures) }()
	return w
}

// followMachines follows machines for as long as one thing is waited for.
func (a *app) followMachines(
	ctx context.Context, l *line, limit time.Duration, machines int,
	look func(picture) (again time.Duration, enough bool), words func(picture) string,
) error {
	w := a.openMachineWatch(ctx, l)
	defer w.close()
	w.within(limit)
	return w.until(ctx, machines, look, func() string { return words(w.newest) })
}

func (w *machineWatch) close() { w.cancel() }

// within sets how long is waited from now on; 0: for ever.
func (w *machineWatch) within(limit time.Duration) {
	w.limit, w.after = nil, limit
	if limit > 0 {
		w.limit = time.After(limit)
	}
}

// gaveUp is why nothing is waited for any more.
type gaveUp string

func (g gaveUp) Error() string { return string(g) }

// until blocks until look, which is called with every picture and again when it asks for that, says that it has seen enough. words are
// for a person who watches meanwhile.
func (w *machineWatch) until(ctx context.Context, machines int, look func(picture) (again time.Duration, enough bool), words func() string) error {
	p := newProgress(w.app, machines)
	defer p.stop()
	for {
		p.clear()
		again, enough := look(w.newest)
		if enough {
			return nil
		}
		p.again(words)
		var soon <-chan time.Time
		if again > 0 {
			soon = time.After(again)
		}
		for waiting := true; waiting; {
			select {
			case w.newest = <-w.pictures:
				waiting = false
			case <-soon:
				waiting = false
			case <-p.due():
				p.show(words())
			case <-w.limit:
				return gaveUp("timed out after " + w.after.String())
			case <-ctx.Done():
				return gaveUp("interrupted")
			case err := <-w.ended:
				switch {
				case err == nil:
					return gaveUp("interrupted")
				case errors.Is(err, api.ErrNotFound):
					return &fault{exitError, errors.New("the server has no event stream to wait on, as fleet 1 had none; add --no-block")}
				}
				return remote(fmt.Errorf("follow events: %w", err))
			}
		}
	}
}

// machine is what is known of one; not ok: it is not known any more.
func (p picture) machine(id cluster.MachineID) (api.Machine, bool) {
	m, ok := p.machines[id]
	return m, ok
}
