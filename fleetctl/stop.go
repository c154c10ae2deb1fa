package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) stopCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "stop UNIT...",
		Short: "Stop units without taking them off their machines",
		Long: `Stop units, and wait until they have stopped. They stay on their machines. A unit that
waits for a machine is stopped as it is, and will not run when it gets one.

` + unitArgs,
		Example: `  fleetctl stop web@1.service
  fleetctl stop 'web@*' 'batch-*.service'
  fleetctl stop --no-block db`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args, &w, func(u api.Unit, globbed bool) (*order, error) {
				if u.DesiredState == cluster.Inactive {
					return settingOrder(u, goalInactive, globbed) // loading it would put it on a machine
				}
				o, err := settingOrder(u, goalLoaded, globbed)
				if o != nil {
					o.stops = true
				}
				return o, err
			})
		},
	}
	w.register(cmd)
	return cmd
}

// picker makes the order for a unit, nil if there is none to send. A unit that a
// pattern has found is passed over in silence where one that was named is an error.
type picker func(u api.Unit, globbed bool) (*order, error)

// change sends an order for each unit that the arguments mean. Those that are
// there are dealt with even if others are not.
func (a *app) change(cmd *cobra.Command, args []string, w *waiting, pick picker) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := a.selectUnits(cmd.Context(), c, args)
	if err != nil {
		return err
	}
	code := a.reportMissing(s)
	var orders []order
	for _, u := range s.units {
		o, err := pick(u, s.globbed[u.Name])
		switch {
		case err != nil:
			a.complain("%v", err)
			code = worse(code, exitRefused)
		case o != nil:
			orders = append(orders, *o)
		}
	}
	if len(orders) == 0 && code == exitOK {
		a.say("Nothing to %s among the units that match", cmd.Name())
	}
	return withCode(a.carryOut(cmd, c, w, orders), code)
}

// settingOrder asks for a state of a unit that is to run less than before. A
// template never runs.
func settingOrder(u api.Unit, g goal, globbed bool) (*order, error) {
	switch {
	case u.Name.IsTemplate() && globbed:
		return nil, nil
	case u.Name.IsTemplate():
		return nil, fmt.Errorf("unit %s is a template, which is never on a machine", u.Name)
	}
	return &order{unit: u.Name, goal: g, global: u.Global, desired: g.desired()}, nil
}
