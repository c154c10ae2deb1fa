package main

import (
	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) loadCommand() *cobra.Command {
	var w waiting
	var unverified bool
	var replace, yes bool
	var name string
	cmd := &cobra.Command{
		Use:   "load UNIT|FILE...",
		Short: "Put units on machines without starting them",
		Long: `Put units on machines without starting them. Units that run are stopped.

` + fileArgs + `

A file is submitted if the cluster does not have the unit yet; with --replace also if it differs and
the unit is not launched. All files are read and checked before anything is sent.

Of a directory the plan is shown first, and its templates are only submitted. ` + reviewArgs + `

` + refusalArgs,
		Example: `  fleetctl load web@1.service
  fleetctl load --replace units/`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bring(cmd, args, &w, bringing{
				goal:       goalLoaded,
				replacing:  replacing{allowed: replace, reach: []cluster.DesiredState{cluster.Inactive, cluster.Loaded}},
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
