package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) forgetCommand() *cobra.Command {
	var noBlock bool
	timeout := seconds(defaultTimeout)
	cmd := &cobra.Command{
		Use:   "forget MACHINE...",
		Short: "Forget machines that are gone and will not come back",
		Long: `Remove what the cluster knows of machines that are lost or have left: what they were to run, and what operators
have laid over them. Units that wait for such a machine, because they say OnLost=wait or because of an
alarm, are given to others. If a machine comes back that was forgotten it is a new one: it stops what it was not told anew to run.

A machine that is present is refused. To take one out of the cluster, drain it, stop its fleetd
(systemctl disable --now fleetd), and forget it when it is gone.

MACHINE is an id, or the beginning of one that no other machine has; "list-machines --all" has those that are gone.`,
		Example: `  fleetctl forget 1234abcd
  fleetctl list-machines --state left -o name | xargs --no-run-if-empty fleetctl forget`,
		Args:              needMachines,
		ValidArgsFunction: a.completeWith(awayNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.forget(cmd.Context(), args, noBlock, time.Duration(timeout))
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&noBlock, "no-block", false, "do not wait until they are forgotten")
	flags.Var(&timeout, "timeout", "give up waiting after this time, in seconds or as a duration such as 1m30s; 0: never")
	return cmd
}

// awayNames are the machines that can be forgotten.
func awayNames(ctx context.Context, c *api.Client, begun string) ([]string, error) {
	machines, err := c.MachinesWith(ctx, api.ListOptions{Absent: true, Fields: []string{"id", "primaryIP", "state"}})
	var all []string
	for _, m := range machines {
		if isAway(m) && strings.HasPrefix(string(m.ID), begun) {
			all = append(all, fmt.Sprintf("%s\t%s %s", m.ID, m.PrimaryIP, m.State))
		}
	}
	return all, err
}

func (a *app) forget(ctx context.Context, args []string, noBlock bool, limit time.Duration) error {
	l, err := a.line()
	if err != nil {
		return err
	}
	defer l.close()
	all, err := a.knownMachines(ctx, l.now())
	if err != nil {
		return err
	}
	chosen, err := findKnown(all, args)
	if err != nil {
		return err
	}
	for _, m := range chosen {
		if isPresent(all, m.ID) {
			return &fault{exitRefused, fmt.Errorf("unable to forget %s: it is present (%s); drain it, stop its fleetd (systemctl disable --now fleetd), and forget it when it is gone",
				place(m.ID, m.PrimaryIP, false), machineState(m))}
		}
	}
	for _, m := range chosen {
		err := l.now().Forget(ctx, m.ID)
		var answer *api.Error
		switch {
		case err == nil:
		case errors.As(err, &answer) && answer.Code == 405: // by a fleetd that forgets nothing
			return &fault{exitError, errors.New("the fleetd that was asked is too old to forget machines")}
		case errors.Is(err, api.ErrNotFound):
			return noMachine("machine %s is not known", m.ID)
		default:
			return remote(fmt.Errorf("forget machine %s: %w", m.ID, err))
		}
	}
	if noBlock {
		for _, m := range chosen {
			a.say("%s is to be forgotten", nameOf(m))
		}
		return a.gone(nil)
	}
	return a.awaitForgotten(ctx, l, chosen, limit)
}

// awaitForgotten waits until nothing is known of machines any more.
func (a *app) awaitForgotten(ctx context.Context, l *line, chosen []api.Machine, limit time.Duration) error {
	open := make(map[cluster.MachineID]bool)
	for _, m := range chosen {
		open[m.ID] = true
	}
	code := exitOK
	err := a.followMachines(ctx, l, limit, len(chosen), func(p picture) (time.Duration, bool) {
		for _, m := range chosen {
			now, known := p.machine(m.ID)
			switch {
			case !open[m.ID] || p.broken != nil:
			case !known:
				a.say("%s forgotten%s", nameOf(m), orphans(m))
				delete(open, m.ID)
			case !isAway(now):
				a.complain("%s is not forgotten: it is back (%s)", nameOf(now), machineState(now))
				code = exitRefused
				delete(open, m.ID)
			}
		}
		return 0, len(open) == 0
	}, func(picture) string {
		return fmt.Sprintf("waiting for the engine to forget %s", count(len(open), "machine"))
	})
	var why gaveUp
	switch {
	case errors.As(err, &why):
		for _, m := range chosen {
			if open[m.ID] {
				a.complain("%s is not known to be forgotten: %s; the request stays in force", nameOf(m), string(why))
			}
		}
		return ended(worse(code, exitTimeout))
	case err != nil:
		return err
	}
	return a.gone(ended(code))
}

// gone writes, for programs, that there is nothing left to be shown.
func (a *app) gone(err error) error {
	if a.structured() && err == nil {
		return entities(a, []api.Machine{})
	}
	return err
}

func orphans(m api.Machine) string {
	if m.Units == 0 {
		return ""
	}
	return fmt.Sprintf(": what it was to run (%s) goes elsewhere, unless it has already", count(m.Units, "unit"))
}
