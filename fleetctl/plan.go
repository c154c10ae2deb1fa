package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func (a *app) planCommand() *cobra.Command {
	var destroy bool
	var name string
	cmd := &cobra.Command{
		Use:   "plan UNIT|FILE...",
		Short: "Tell what starting units would lead to, and change nothing",
		Long: `Tell what would follow from "fleetctl start --replace" of these units: what would be placed, moved,
displaced, or would find no machine. Nothing is sent to any machine, and nothing is stored.

` + fileArgs + `

All of them are planned together, and it is the engine's own brain that plans, on a copy of the cluster in which
machines obey at once; what it would do without being asked is no part of the plan.

    + db.service     would go to 1111aaaa.../10.0.0.1: the only machine that fits
    - batch.service  would be displaced from 1111aaaa.../10.0.0.1: displaced by db.service (priority 700); 0 of 3 machines fit: …
    Plan: 1 to place, 1 displaced, 1 without a machine. Nothing was changed.

With --destroy UNIT is a name or, in quotes, a shell pattern for names, and the plan is for these
units being destroyed.

  +  gets a machine
  ~  moves, or changes where it is
  -  leaves its machine
  !  gets no machine

The exit code is 5 if a unit that is wanted would be without a machine, else 0.`,
		Example: `  fleetctl plan web@4.service
  fleetctl plan units/
  fleetctl plan --destroy 'web@*'`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error { return a.plan(cmd.Context(), args, name, destroy) },
	}
	cmd.Flags().BoolVar(&destroy, "destroy", false, "plan for the units being destroyed")
	registerName(cmd, &name)
	cmd.MarkFlagsMutuallyExclusive("destroy", "name")
	return cmd
}

func (a *app) plan(ctx context.Context, args []string, name string, destroy bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	gather := a.toStart
	if destroy {
		gather = a.toDestroy
	}
	units, err := gather(ctx, c, args, name)
	if err != nil {
		return err
	}
	p, err := c.Plan(ctx, units)
	if err != nil {
		return remote(fmt.Errorf("plan for %s: %w", count(len(units), "unit"), err))
	}
	if a.structured() {
		err = entities(a, []api.Plan{p})
	} else {
		err = a.showPlan(ctx, c, p)
	}
	if err != nil {
		return err
	}
	for _, step := range p.Steps {
		if homeless(step) {
			return ended(exitNowhere)
		}
	}
	return nil
}

// toStart is what "start --replace" would send.
func (a *app) toStart(ctx context.Context, c *api.Client, args []string, name string) ([]api.PlanUnit, error) {
	all, err := a.candidates(ctx, args, name, inCluster{c})
	if err != nil {
		return nil, err
	}
	err = a.resolve(ctx, c, all, func(r *resolver, ctx context.Context, x *candidate) error {
		if x.existing == nil {
			return r.newSource(ctx, x)
		}
		path, local, err := x.local()
		if err == nil && local != nil && unit.IDOf(local) != x.existing.Content {
			x.raw, x.origin = local, path
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	units := make([]api.PlanUnit, 0, len(all))
	for _, x := range all {
		switch {
		case !x.name.IsTemplate():
			units = append(units, api.PlanUnit{Name: x.name, File: string(x.raw), DesiredState: cluster.Launched})
		case !x.found:
			return nil, &fault{exitRefused, fmt.Errorf("unit %s is a template, which is never on a machine; name an instance", x.name)}
		}
	}
	if len(units) == 0 {
		return nil, &fault{exitRefused, errors.New("there are only templates, which are never on a machine; name an instance")}
	}
	return units, nil
}

func (a *app) toDestroy(ctx context.Context, c *api.Client, args []string, _ string) ([]api.PlanUnit, error) {
	s, err := a.selectUnits(ctx, c, args)
	if err != nil {
		return nil, err
	}
	if code := a.reportMissing(s); code != exitOK {
		return nil, ended(code)
	}
	units := make([]api.PlanUnit, len(s.units))
	for i, u := range s.units {
		units[i] = api.PlanUnit{Name: u.Name, Destroy: true}
	}
	return units, nil
}

// homeless tells whether a step leaves a unit that is wanted without a machine.
func homeless(s api.PlanStep) bool {
	return s.Action == cluster.PlanPend || s.Action == cluster.PlanDisplace && s.To == ""
}
