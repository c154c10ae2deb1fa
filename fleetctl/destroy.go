package main

import (
	"github.com/spf13/cobra"

	"fleet/api"
)

func (a *app) destroyCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "destroy UNIT...",
		Short: "Stop units and remove them from the cluster",
		Long: `Stop units, remove them from the cluster, and wait until no machine has them.

` + unitArgs + ` A pattern matches templates too.`,
		Example: `  fleetctl destroy web@1.service
  fleetctl destroy 'web@*'                   # the template too
  fleetctl list-unit-files -o name --desired inactive | fleetctl destroy -`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args, &w, func(u api.Unit, _ bool) (*order, error) {
				return &order{unit: u.Name, goal: goalGone, global: u.Global, destroy: true}, nil
			})
		},
	}
	w.register(cmd)
	return cmd
}
