package main

import (
	"github.com/spf13/cobra"

	"fleet/api"
)

func (a *app) unloadCommand() *cobra.Command {
	var w waiting
	cmd := &cobra.Command{
		Use:   "unload UNIT...",
		Short: "Stop units and take them off their machines",
		Long: `Stop units and take them off their machines; the cluster keeps them.

` + unitArgs,
		Example: `  fleetctl unload web@1.service
  fleetctl unload 'batch-*'`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.change(cmd, args, &w, func(u api.Unit, globbed bool) (*order, error) {
				return settingOrder(u, goalInactive, globbed)
			})
		},
	}
	w.register(cmd)
	return cmd
}
