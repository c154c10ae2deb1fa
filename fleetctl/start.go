package main

import (
	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) startCommand() *cobra.Command {
	var w waiting
	var unverified bool
	var replace, yes bool
	var name string
	cmd := &cobra.Command{
		Use:   "start UNIT|FILE...",
		Short: "Start units and wait until they run",
		Long: `Start units and wait until systemd has started them or has said why not.

` + fileArgs + `

A file is submitted if the cluster does not have the unit yet; with --replace also if it differs. A
unit that has failed or ended is started again. A service that fails right after its start is
reported as failed. All files are read and checked before anything is sent.

A unit that runs and is replaced is one request: it is stopped as its old file says, and only when
it has ended started as the new one says.

Of a directory the plan is shown first, and its templates are only submitted. ` + reviewArgs + `

` + refusalArgs,
		Example: `  fleetctl start web.service
  fleetctl start 'web@*'
  fleetctl start --replace --yes units/
  fleetctl list-unit-files -o name | fleetctl start -
  generate-unit | fleetctl start --name web.service -`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bring(cmd, args, &w, bringing{
				goal: goalLaunched,
				replacing: replacing{
					allowed: replace,
					reach:   []cluster.DesiredState{cluster.Inactive, cluster.Loaded, cluster.Launched},
				},
				name:       name,
				yes:        yes,
				unverified: unverified,
			})
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace units whose file differs")
	bygoneSwitch(cmd.Flags(), "sign", "units are not signed")
	registerYes(cmd, &yes)
	registerNoVerify(cmd, &unverified)
	registerName(cmd, &name)
	w.register(cmd)
	return cmd
}
