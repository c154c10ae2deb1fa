package main

import (
	"context"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) submitCommand() *cobra.Command {
	var w waiting
	var replace bool
	cmd := &cobra.Command{
		Use:   "submit UNIT...",
		Short: "Store units in the cluster without putting them on a machine",
		Long: `Store units in the cluster without putting them on a machine.

UNIT is the path of a unit file, or the name of an instance whose template is in
the cluster or in the same directory. A unit that the cluster already has is
left as it is; with --replace it is replaced if its file differs and it is inactive.`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bring(cmd, args, &w, bringing{
				goal:      goalInactive,
				replacing: replacing{allowed: replace, reach: []cluster.DesiredState{cluster.Inactive}},
			})
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace units whose file differs")
	bygoneSwitch(cmd.Flags(), "sign", "units are not signed")
	w.register(cmd)
	return cmd
}

// bringing is what submit, load and start do differently.
type bringing struct {
	goal goal
	replacing
}

// bring submits the units that are not there yet, and asks for the goal.
func (a *app) bring(cmd *cobra.Command, args []string, w *waiting, b bringing) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := a.resolve(cmd.Context(), c, args, func(x *candidate) error {
		return a.source(cmd.Context(), c, x, b.replacing)
	})
	if err != nil {
		return err
	}
	var orders []order
	for _, x := range all {
		if b.goal == goalInactive && x.raw == nil {
			continue // submit leaves alone what is there
		}
		orders = append(orders, order{
			unit: x.name, goal: b.goal, global: x.global,
			send: func(ctx context.Context) (api.Result, error) { return x.send(ctx, c, b.goal) },
		})
	}
	return a.carryOut(cmd, c, w, orders)
}

// send makes file and desired state one request, so that no machine meets the
// one without the other, and refuses to overwrite what was not there when it was looked at.
func (x *candidate) send(ctx context.Context, c *api.Client, g goal) (api.Result, error) {
	if x.raw == nil {
		return c.SetDesired(ctx, x.name, g.desired())
	}
	o := api.PutFileOptions{Desired: g.desired(), NoReplace: x.existing == nil}
	if x.existing != nil {
		o.IfMatch = x.existing.Generation
	}
	return c.PutFile(ctx, x.name, x.raw, o)
}
