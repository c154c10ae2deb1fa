package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"fleet/api"
)

const (
	// parallel is how many requests about one unit each are under way at once.
	parallel = 8

	// batch is how many units one request changes, and batches how many of those are under way at
	// once: an interrupt leaves unsent what has not been begun.
	batch   = 100
	batches = 4
)

var errNotSent = errors.New("not sent")

// sending is what came of sending one order.
type sending struct {
	result api.Result
	err    error // nil: the cluster has accepted it
}

// send sends orders, several at once, and returns the requests that the cluster
// has accepted, in the same sequence. What it did not accept is told. When the
// cluster cannot be reached, or on an interrupt, the rest is not sent; what is
// under way is brought to its end, so that it is known whether it was accepted.
func (a *app) send(ctx context.Context, c *api.Client, orders []order) ([]*request, exitCode) {
	all := make([]sending, len(orders))
	var unreachable atomic.Bool
	var group errgroup.Group
	group.SetLimit(batches)
	for from := 0; from < len(orders); from += batch {
		to := min(from+batch, len(orders))
		some, out := orders[from:to], all[from:to]
		group.Go(func() error {
			if unreachable.Load() || ctx.Err() != nil {
				for i := range out {
					out[i].err = errNotSent
				}
				return nil
			}
			deliver(context.WithoutCancel(ctx), c, some, out)
			if slices.ContainsFunc(out, func(s sending) bool { return s.err != nil && remoteCode(s.err) == exitUnreachable }) {
				unreachable.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions return no errors
	var accepted []*request
	for i, s := range all {
		if o := orders[i]; s.err == nil {
			accepted = append(accepted, &request{unit: o.unit, goal: o.goal, global: o.global, stops: o.stops, move: o.move, generation: s.result.Generation})
		}
	}
	return accepted, a.tellRefused(orders, all)
}

// deliver sends orders in one request, if that says all that they say.
func deliver(ctx context.Context, c *api.Client, orders []order, out []sending) {
	if len(orders) == 1 && orders[0].whole() || slices.ContainsFunc(orders, func(o order) bool { return o.move != nil }) {
		deliverEach(ctx, c, orders, out)
		return
	}
	changes := make([]api.Change, len(orders))
	for i, o := range orders {
		changes[i] = o.change()
	}
	results, err := c.Change(ctx, changes)
	var answer *api.Error
	if errors.As(err, &answer) && (answer.Code == http.StatusNotFound || answer.Code == http.StatusMethodNotAllowed) {
		deliverEach(ctx, c, orders, out) // a fleetd that takes one unit at a time
		return
	}
	for i := range out {
		if i >= len(results) {
			out[i].err = err
			continue
		}
		out[i] = sending{api.Result{Generation: results[i].Generation, Created: results[i].Created}, results[i].Err()}
	}
}

func deliverEach(ctx context.Context, c *api.Client, orders []order, out []sending) {
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, o := range orders {
		group.Go(func() error {
			out[i].result, out[i].err = o.deliver(ctx, c)
			return nil
		})
	}
	_ = group.Wait() // the functions return no errors
}

// tellRefused tells which orders were not accepted and why; many for one reason in one line.
func (a *app) tellRefused(orders []order, all []sending) exitCode {
	code := exitOK
	notSent := 0
	for i := 0; i < len(all); {
		err := all[i].err
		same := i + 1 // up to here they failed as one
		for same < len(all) && err != nil && all[same].err == err {
			same++
		}
		switch {
		case err == nil:
		case errors.Is(err, errNotSent):
			notSent += same - i
		case same-i == 1:
			a.complain("Unit %s: %v", orders[i].unit, err)
		default:
			a.complain("%d units, from %s to %s: %v", same-i, orders[i].unit, orders[same-1].unit, err)
		}
		if err != nil && !errors.Is(err, errNotSent) {
			code = worse(code, remoteCode(err))
			if h := hint(err); h != "" {
				a.hint("%s", h)
			}
		}
		i = same
	}
	if notSent > 0 {
		a.complain("Nothing was sent for %d of %d units", notSent, len(orders))
		code = worse(code, exitTimeout)
	}
	return code
}
