package main

import (
	"context"

	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) submitCommand() *cobra.Command {
	var w waiting
	var unverified bool
	var replace bool
	var name string
	cmd := &cobra.Command{
		Use:   "submit UNIT|FILE...",
		Short: "Store units in the cluster without putting them on a machine",
		Long: `Store units in the cluster without putting them on a machine.

` + fileArgs + `

A name that is no file is that of an instance whose template is in the cluster, or in the same
directory. A unit that the cluster already has is left as it is; with --replace it is replaced
if its file differs and it is inactive. All files are read and checked before anything is sent.

` + refusalArgs,
		Example: `  fleetctl submit web@.service db.service
  fleetctl submit units/
  generate-unit | fleetctl submit --name web.service -`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.bring(cmd, args, &w, bringing{
				goal:       goalInactive,
				replacing:  replacing{allowed: replace, reach: []cluster.DesiredState{cluster.Inactive}},
				name:       name,
				unverified: unverified,
			})
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "replace units whose file differs")
	bygoneSwitch(cmd.Flags(), "sign", "units are not signed")
	registerNoVerify(cmd, &unverified)
	registerName(cmd, &name)
	w.register(cmd)
	return cmd
}

// bringing is what submit, load and start do differently.
type bringing struct {
	goal goal
	replacing
	name string // --name
	yes  bool   // --yes

	unverified bool // --no-verify
}

// bring submits the units that are not there yet, and asks for the goal.
func (a *app) bring(cmd *cobra.Command, args []string, w *waiting, b bringing) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	ctx := cmd.Context()
	all, err := a.candidates(ctx, args, b.name, inCluster{c})
	if err != nil {
		return err
	}
	if b.goal != goalInactive {
		if err := instances(cmd.Name(), all); err != nil {
			return err
		}
	}
	err = a.resolve(ctx, c, all, func(r *resolver, ctx context.Context, x *candidate) error { return r.source(ctx, x, b.replacing) })
	if err != nil {
		if faultOf(err).err == nil {
			a.complain("Nothing was sent.")
		}
		return err
	}
	if !b.unverified {
		if err := a.spare(ctx, all); err != nil {
			return err
		}
	}
	if b.goal != goalInactive {
		if err := a.review(ctx, c, all, b.goal.desired(), b.yes); err != nil {
			return err
		}
	}
	var orders []order
	for _, x := range all {
		if o, any := x.order(b.goal); any {
			orders = append(orders, o)
		}
	}
	return a.carryOut(cmd, c, w, orders)
}

// order makes file and desired state one request, so that no machine meets the
// one without the other, and refuses to overwrite what was not there when it was looked at.
// There is none for what submit has only to leave alone.
func (x *candidate) order(g goal) (o order, any bool) {
	if x.name.IsTemplate() {
		g = goalInactive
	}
	o = order{unit: x.name, goal: g, global: x.global, desired: g.desired()}
	if x.raw == nil {
		return o, g != goalInactive
	}
	o.file, o.noReplace = x.raw, x.existing == nil
	if x.existing != nil {
		o.ifMatch = x.existing.Generation
	}
	return o, true
}
