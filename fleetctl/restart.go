package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) restartCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "restart UNIT...",
		Short: "Restart units where they are",
		Long: `Restart units where they are, and wait until they run again. A unit that was
stopped is started; one that is on no machine is refused.

` + unitArgs + ` A pattern matches launched units only.`,
		Example: `  fleetctl restart web@1.service
  fleetctl restart 'web@*'
  fleetctl restart --timeout 20m slow-starter`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args, &w, restartOrder)
		},
	}
	w.register(cmd)
	return cmd
}

func restartOrder(u api.Unit, globbed bool) (*order, error) {
	o := order{unit: u.Name, goal: goalRestarted, global: u.Global, restart: true}
	switch {
	case u.DesiredState != cluster.Launched && globbed:
		return nil, nil
	case u.DesiredState == cluster.Loaded:
		o.goal, o.restart, o.desired = goalLaunched, false, cluster.Launched
	case u.DesiredState != cluster.Launched:
		return nil, fmt.Errorf("unable to restart unit %s in state %s; start it instead", u.Name, u.DesiredState)
	}
	return &o, nil
}
