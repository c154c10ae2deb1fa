package main

import (
	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) startCommand() *cobra.Command {
	var w waiting
	var replace bool
	cmd := &cobra.Command{
		Use:   "start UNIT...",
		Short: "Start units and wait until they run",
		Long: `Start units and wait until systemd has started them or has said why not.

UNIT is a name, or the path of a unit file, which is submitted if the cluster does
not have the unit yet; with --replace also if it differs. A unit that has failed or
ended is started again. A service that fails right after its start is reported as
failed.`,
		Args: needInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bring(cmd, args, &w, bringing{
				goal: goalLaunched,
				replacing: replacing{
					allowed: replace,
					reach:   []cluster.DesiredState{cluster.Inactive, cluster.Loaded, cluster.Launched},
				},
			})
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace units whose file differs")
	bygoneSwitch(cmd.Flags(), "sign", "units are not signed")
	w.register(cmd)
	return cmd
}
