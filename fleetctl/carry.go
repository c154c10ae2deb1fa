package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

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
	sent, code := a.send(ctx, c, orders)
	x := newWaiter(a, follow, sent)
	code = worse(code, x.wait(ctx, w.limit(cmd)))
	return withCode(a.showUnits(names, x.newest), code)
}

// showUnits writes what is known of units, for programs.
func (a *app) showUnits(names []unit.Name, newest map[unit.Name]api.Unit) error {
	if !a.structured() {
		return nil
	}
	all := make([]api.Unit, 0, len(names))
	for _, name := range names {
		if u, known := newest[name]; known {
			all = append(all, u)
		}
	}
	return entities(a, all)
}

// trigger sends the orders and does not wait.
func (a *app) trigger(ctx context.Context, c *api.Client, verb string, orders []order, names []unit.Name) error {
	sent, code := a.send(ctx, c, orders)
	for _, r := range sent {
		kind := "unit"
		if r.global {
			kind = "global unit"
		}
		a.say("Triggered %s %s %s", kind, r.unit, verb)
	}
	if !a.structured() {
		return ended(code)
	}
	units, err := lookUp(ctx, c, names)
	if err != nil {
		return err
	}
	if err := entities(a, units); err != nil {
		return err
	}
	return ended(code)
}
