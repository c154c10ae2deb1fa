package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) moveCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "move UNIT [MACHINE]",
		Short: "Move a unit to another machine and wait until it runs there",
		Long: `Move a unit to a machine, or to whichever is best but its present one, and wait until it
runs there. It is started where it goes first, and stopped where it is when it is up there; a unit that
says AtMostOnce=yes or HandOver=stop-first is stopped where it is before it is started where it goes.
If its rules do not allow it there, or it fails there, it stays where it is, runs on, and the exit code is 7.
What is active before a move has to be active after it; otherwise the exit code is 4.

Before a machine is taken down: "fleetctl drain" it, which moves away all that is there.

` + machineArgs,
		Example: `  fleetctl move db.service
  fleetctl move db.service 1234abcd`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 1 || len(args) > 2 {
				return errors.New("expect a unit, and perhaps a machine")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.move(cmd, args, &w) },
	}
	w.register(cmd)
	return cmd
}

func (a *app) move(cmd *cobra.Command, args []string, w *waiting) error {
	name, err := parseName(args[0])
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := cmd.Context()
	var to cluster.MachineID
	if len(args) == 2 {
		if to, err = a.target(ctx, c, args[1]); err != nil {
			return err
		}
	}
	u, err := c.Unit(ctx, name)
	if errors.Is(err, api.ErrNotFound) {
		return noUnit("unit %s does not exist", name)
	}
	if err != nil {
		return remote(fmt.Errorf("get unit %s: %w", name, err))
	}
	at, err := movable(u)
	if err != nil {
		return err
	}
	if at.MachineID == to {
		a.say("Unit %s is on %s already", name, place(at.MachineID, at.Address, false))
		if a.structured() {
			return entities(a, []api.Unit{u})
		}
		return nil
	}
	return a.carryOut(cmd, c, w, []order{moveOrder(u, to)})
}

// target is a machine that is present.
func (a *app) target(ctx context.Context, c *api.Client, arg string) (cluster.MachineID, error) {
	all, err := a.machines(ctx, c)
	if err != nil {
		return "", err
	}
	m, err := presentMachine(all, arg)
	return m.ID, err
}

// movable returns where a unit is, or why it cannot be moved.
func movable(u api.Unit) (api.Copy, error) {
	refuse := func(why string) (api.Copy, error) {
		return api.Copy{}, &fault{exitRefused, fmt.Errorf("unable to move unit %s: %s", u.Name, why)}
	}
	copies := live(u)
	switch {
	case u.Absent:
		return refuse("somebody has destroyed it")
	case u.Name.IsTemplate():
		return refuse("it is a template, which is never on a machine")
	case u.DesiredState == cluster.Inactive:
		return refuse("it is wanted inactive, on no machine")
	case u.Global:
		return refuse("it is global, on every machine that its rules allow")
	case len(copies) == 0 && leaving(u):
		return refuse("it is just leaving a machine (" + u.Outcome.Message + "); fleetctl explain says where it goes")
	case len(copies) == 0:
		return refuse("it is on no machine that is present; fleetctl explain says why")
	}
	return copies[0], nil
}

// leaving tells whether a unit is still on a machine that it is to leave, and not yet on another.
func leaving(u api.Unit) bool {
	return len(u.Copies) > 0 && u.Outcome != nil && u.Outcome.Phase == cluster.Working
}

// moveOrder asks for a move of the unit as it was looked at.
func moveOrder(u api.Unit, to cluster.MachineID) order {
	return order{unit: u.Name, goal: goalMoved, move: newMoving(u, to), ifMatch: u.Generation}
}
