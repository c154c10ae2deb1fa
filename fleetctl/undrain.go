package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) undrainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "undrain MACHINE...",
		Short: "End the drain of machines: let them be given units again",
		Long: `End the drain of machines, so that they are given units again, unless they are cordoned besides. What has left
does not come back by itself; "fleetctl rebalance" evens machines out. What was on its way stays where it is.

` + machineArgs,
		Example: `  fleetctl undrain 1234abcd`,
		Args:    needMachines,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.undrain(cmd.Context(), args) },
	}
}

func (a *app) undrain(ctx context.Context, args []string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := a.knownMachines(ctx, c)
	if err != nil {
		return err
	}
	chosen, err := findKnown(all, args)
	if err != nil {
		return err
	}
	ids := make([]cluster.MachineID, len(chosen))
	for i, m := range chosen {
		ids[i] = m.ID
	}
	if err := c.SetDrained(ctx, false, ids...); err != nil {
		return remote(fmt.Errorf("undrain %s: %w", count(len(ids), "machine"), err))
	}
	for _, m := range chosen {
		a.say("%s", undrainWords(m))
	}
	return a.showMachines(ctx, c, ids)
}

// undrainWords tells what has become of a machine that was as m is.
func undrainWords(m api.Machine) string {
	switch {
	case m.Leaving:
		return nameOf(m) + " gives its units away still, as its host is being shut down"
	case m.Drain == nil:
		return nameOf(m) + " was not drained"
	case m.Cordoned:
		return nameOf(m) + " is not drained any more; it is cordoned still, and given no units"
	case isAway(m):
		return nameOf(m) + " is not drained any more; it is " + machineState(m)
	}
	return nameOf(m) + " may be given units again"
}
