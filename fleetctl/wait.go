package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

func (a *app) waitCommand() *cobra.Command {
	state := "done"
	timeout := seconds(defaultTimeout)
	var states strings.Builder
	for _, c := range milestones() {
		fmt.Fprintf(&states, "  %-9s %s\n", c.name, c.help)
	}
	cmd := &cobra.Command{
		Use:   "wait UNIT...",
		Short: "Wait until units are in a state",
		Long: `Wait until every one of the units is in a state, and say so of each. Nothing is asked of them.

` + unitArgs + ` A pattern means
the units that there are now; templates only with done, inactive
and gone, as they are never on a machine.

` + states.String() + `
A state is waited for until the cluster has also carried out what was last asked of the unit, so
that "fleetctl restart --no-block" and then "fleetctl wait --for=active" do not take the old run for the new one.

The exit code is 4 as soon as a unit has failed that is to be active, inactive or done, 5 if one
that is to be done fits no machine, 3 if one does not exist (which is well with --for=gone) or is
destroyed, and 6 if the time is over.`,
		Example: `  fleetctl start --no-block units/ && fleetctl wait 'web@*'
  fleetctl wait --for=inactive --timeout 1h backup.service
  fleetctl wait --for=gone --timeout 0 'old-*'`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := findMilestone(state)
			if err != nil {
				return err
			}
			return a.wait(cmd.Context(), args, c, time.Duration(timeout))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&state, "for", state, "the `STATE` to wait for: done, placed, active, inactive, failed or gone")
	values(flags, "for", milestoneNames()...)
	flags.Var(&timeout, "timeout", "give up waiting after this time, in seconds or as a duration such as 1m30s; 0: never")
	return cmd
}

func (a *app) wait(ctx context.Context, args []string, until *milestone, limit time.Duration) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := a.selectUnits(ctx, c, args)
	if err != nil {
		return err
	}
	names := make([]unit.Name, 0, len(s.units))
	for _, u := range s.units {
		switch {
		case !u.Name.IsTemplate() || !until.onMachine:
			names = append(names, u.Name)
		case !s.globbed[u.Name]:
			return &fault{exitRefused, fmt.Errorf("unit %s is a template, which is never on a machine; name an instance", u.Name)}
		}
	}
	code := exitOK
	if until.name == string(goalGone) {
		left, err := a.destroyed(ctx, c, s.missing)
		if err != nil {
			return err
		}
		names = append(names, left...)
	} else {
		code = a.reportMissing(s)
	}
	if len(names) == 0 {
		return ended(code)
	}
	follow, err := openWatch(ctx, c, names, time.Duration(a.requestTimeout))
	if err != nil {
		return withCode(err, code)
	}
	defer follow.close()
	requests := make([]*request, len(names))
	for i, name := range names {
		requests[i] = &request{unit: name, goal: goal(until.name), milestone: until}
	}
	x := newWaiter(a, follow, requests)
	code = worse(code, x.wait(ctx, limit))
	return withCode(a.showUnits(names, x.newest), code)
}

// destroyed are the names of units that do not exist, and of which machines may still have something.
func (a *app) destroyed(ctx context.Context, c *api.Client, missing []string) ([]unit.Name, error) {
	names := make(map[unit.Name]bool)
	var patterns []string
	for _, arg := range missing {
		if isGlob(arg) {
			patterns = append(patterns, arg)
			continue
		}
		names[unit.Name(arg)] = true
	}
	if len(patterns) > 0 {
		states, err := c.States(ctx)
		if err != nil {
			return nil, remote(fmt.Errorf("list what machines have: %w", err))
		}
		for _, arg := range patterns {
			before := len(names)
			for _, s := range states {
				if globMatches(arg, s.Name) {
					names[s.Name] = true
				}
			}
			if len(names) == before {
				a.say("No unit matches %s", arg)
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}
