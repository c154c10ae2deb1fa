package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) loadCommand() *cobra.Command {
	var w waiting
	var replace bool
	cmd := &cobra.Command{
		Use:   "load UNIT...",
		Short: "Put units on machines without starting them",
		Long: `Put units on machines without starting them. Units that run are stopped.

UNIT is a name, or the path of a unit file, which is submitted if the cluster does
not have the unit yet; with --replace also if it differs and the unit is not launched.`,
		Args: needInstances,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bring(cmd, args, &w, bringing{
				goal:      goalLoaded,
				replacing: replacing{allowed: replace, reach: []cluster.DesiredState{cluster.Inactive, cluster.Loaded}},
			})
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace units whose file differs")
	bygoneSwitch(cmd.Flags(), "sign", "units are not signed")
	w.register(cmd)
	return cmd
}

// needInstances is needUnits for commands that put units on machines, which templates never are.
func needInstances(cmd *cobra.Command, args []string) error {
	if err := needUnits(cmd, args); err != nil {
		return err
	}
	var mistakes []error
	for _, arg := range args {
		name, err := parseName(arg)
		if err != nil {
			mistakes = append(mistakes, err)
			continue
		}
		if name.IsTemplate() {
			mistakes = append(mistakes, fmt.Errorf("cannot %s template %s; name an instance of it", cmd.Name(), name))
		}
	}
	return errors.Join(mistakes...)
}
