package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

const machineArgs = `MACHINE is an id, or the beginning of one that no other machine has.`

func (a *app) cordonCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "cordon MACHINE...",
		Short: "Give machines no further units; what is there stays",
		Long: `Give machines no further units, for instance before they are taken down. What is there
stays and goes on running; "fleetctl move" takes it elsewhere.

` + machineArgs + ` One that is not
present can be given as its whole id, and finds itself cordoned when it comes.`,
		Example: `  fleetctl cordon 1234abcd
  fleetctl list-machines -o name --selector zone=a | xargs fleetctl cordon`,
		Args: needMachines,
		RunE: func(cmd *cobra.Command, args []string) error { return a.setCordoned(cmd, args, true) },
	}
}

func (a *app) uncordonCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "uncordon MACHINE...",
		Short:   "Let machines be given units again",
		Long:    "Let machines that were cordoned be given units again.\n\n" + machineArgs,
		Example: `  fleetctl uncordon 1234abcd`,
		Args:    needMachines,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.setCordoned(cmd, args, false) },
	}
}

func needMachines(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("no machines given")
	}
	return nil
}

func (a *app) setCordoned(cmd *cobra.Command, args []string, cordoned bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := cmd.Context()
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
	if err := c.SetCordoned(ctx, cordoned, ids...); err != nil {
		return remote(fmt.Errorf("%s %d machines: %w", cmd.Name(), len(ids), err))
	}
	for i := range chosen {
		a.say("%s", cordonWords(chosen[i], cordoned, isPresent(all, chosen[i].ID)))
	}
	return a.showMachines(ctx, c, ids)
}

// showMachines writes what machines are now, for programs. One that is not known is its id.
func (a *app) showMachines(ctx context.Context, c *api.Client, ids []cluster.MachineID) error {
	if !a.structured() {
		return nil
	}
	shown := make([]api.Machine, len(ids))
	for i, id := range ids {
		m, err := c.Machine(ctx, id)
		if err != nil && !errors.Is(err, api.ErrNotFound) {
			return remote(fmt.Errorf("get machine %s: %w", id, err))
		}
		shown[i] = m.Machine
		shown[i].ID = id
	}
	return entities(a, shown)
}

// cordonWords tells what has become of a machine that was as m is.
func cordonWords(m api.Machine, cordoned, present bool) string {
	name := nameOf(m)
	switch {
	case !present && cordoned:
		return name + " cordoned; it is not present, and will be given no units when it comes"
	case !present:
		return name + " not cordoned; it is not present"
	case cordoned && m.Cordoned:
		return name + " was cordoned already"
	case cordoned && m.Units == 0:
		return name + " cordoned: it is given no units, and has none"
	case cordoned:
		return fmt.Sprintf("%s cordoned: it is given no further units; the %s there %s", name, count(m.Units, "unit"), stay(m.Units))
	case !m.Cordoned:
		return name + " was not cordoned"
	}
	return name + " may be given units again"
}

func stay(n int) string {
	if n == 1 {
		return "stays"
	}
	return "stay"
}

// count is a number of things in words: "1 unit", "3 units".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
