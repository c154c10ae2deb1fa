package main

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/unit"
)

// parallel is how many requests are under way at once.
const parallel = 8

// order is one request that a command sends.
type order struct {
	unit   unit.Name
	goal   goal
	global bool
	move   *moving // of goalMoved
	send   func(context.Context) (api.Result, error)
}

// waiting is the flags of every command that waits.
type waiting struct {
	noBlock       bool
	timeout       seconds
	blockAttempts int
}

func (w *waiting) register(cmd *cobra.Command) {
	w.timeout = seconds(defaultTimeout)
	flags := cmd.Flags()
	flags.BoolVar(&w.noBlock, "no-block", false, "do not wait for the result of the request")
	flags.Var(&w.timeout, "timeout", "give up waiting after this time, in seconds or as a duration such as 1m30s; 0: never")
	flags.IntVar(&w.blockAttempts, "block-attempts", 0, "give up waiting after this many times 2 s, as in fleet 1; 0: never")
	cmd.MarkFlagsMutuallyExclusive("timeout", "block-attempts")
}

func (w *waiting) limit(cmd *cobra.Command) time.Duration {
	if cmd.Flags().Changed("block-attempts") {
		return max(0, time.Duration(w.blockAttempts)) * 2 * time.Second
	}
	return time.Duration(w.timeout)
}

// carryOut sends the orders and waits for what comes of them.
func (a *app) carryOut(cmd *cobra.Command, c *api.Client, w *waiting, orders []order) error {
	ctx := cmd.Context()
	names := make([]unit.Name, len(orders))
	for i, o := range orders {
		names[i] = o.unit
	}
	if w.noBlock || len(orders) == 0 {
		return a.trigger(ctx, c, cmd.Name(), orders, names)
	}
	follow, err := openWatch(ctx, c, names, time.Duration(a.requestTimeout))
	if err != nil {
		return err
	}
	defer follow.close()
	sent, code := a.send(ctx, orders)
	x := newWaiter(a, follow, sent)
	code = worse(code, x.wait(ctx, w.limit(cmd)))
	if a.structured() {
		all := make([]api.Unit, 0, len(names))
		for _, name := range names {
			if u, known := x.newest[name]; known {
				all = append(all, u)
			}
		}
		if err := entities(a, all); err != nil {
			return err
		}
	}
	return ended(code)
}

// trigger sends the orders and does not wait.
func (a *app) trigger(ctx context.Context, c *api.Client, verb string, orders []order, names []unit.Name) error {
	sent, code := a.send(ctx, orders)
	for _, r := range sent {
		kind := "unit"
		if orders[slices.Index(names, r.unit)].global {
			kind = "global unit"
		}
		a.say("Triggered %s %s %s", kind, r.unit, verb)
	}
	if !a.structured() {
		return ended(code)
	}
	units, _, err := lookUp(ctx, c, names)
	if err != nil {
		return err
	}
	if err := entities(a, units); err != nil {
		return err
	}
	return ended(code)
}

// send sends orders, several at once, and returns the requests that the cluster
// has accepted, in the same sequence. What it did not accept is told. When the
// cluster cannot be reached, or on an interrupt, the rest is not sent; what is
// under way is brought to its end, so that it is known whether it was accepted.
func (a *app) send(ctx context.Context, orders []order) ([]*request, exitCode) {
	requests := make([]*request, len(orders))
	errs := make([]error, len(orders))
	var unreachable atomic.Bool
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, o := range orders {
		group.Go(func() error {
			if unreachable.Load() || ctx.Err() != nil {
				errs[i] = errNotSent
				return nil
			}
			result, err := o.send(context.WithoutCancel(ctx))
			if err == nil {
				requests[i] = &request{unit: o.unit, goal: o.goal, move: o.move, generation: result.Generation}
				return nil
			}
			errs[i] = err
			if remoteCode(err) == exitUnreachable {
				unreachable.Store(true)
			}
			return nil
		})
	}
	_ = group.Wait() // the functions return no errors
	code := exitOK
	notSent := 0
	for i, err := range errs {
		switch {
		case err == nil:
			continue
		case errors.Is(err, errNotSent):
			notSent++
			continue
		}
		code = worse(code, remoteCode(err))
		a.complain("Unit %s: %v", orders[i].unit, err)
		if h := hint(err); h != "" {
			a.complain("Hint: %s", h)
		}
	}
	if notSent > 0 {
		a.complain("Nothing was sent for %d of %d units", notSent, len(orders))
		code = worse(code, exitTimeout)
	}
	return slices.DeleteFunc(requests, func(r *request) bool { return r == nil }), code
}

var errNotSent = errors.New("not sent")
