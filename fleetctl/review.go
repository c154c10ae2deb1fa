package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

const reviewArgs = `If something that runs
would change, there is a question: if a running unit of a directory would be replaced or stopped, or
if of several units one would take the place of a running unit that was not named. Without a
terminal this is refused (exit code 7) unless --yes is given.`

func registerYes(cmd *cobra.Command, yes *bool) {
	cmd.Flags().BoolVarP(yes, "yes", "y", false, "do not ask when something that runs would change")
}

// review looks at what units of a directory, or several units, would lead to before they are sent. Of a
// directory it shows the plan. It asks when something that runs would change
// that nobody has named: who names a unit and says --replace has been asked enough.
func (a *app) review(ctx context.Context, c *api.Client, all []*candidate, desired cluster.DesiredState, yes bool) error {
	found := slices.ContainsFunc(all, func(x *candidate) bool { return x.found })
	if !found && (len(all) < 2 || yes) {
		return nil
	}
	var asked []api.PlanUnit
	named := make(map[unit.Name]bool)
	known := make(map[unit.Name]api.Unit)
	for _, x := range all {
		named[x.name] = !x.found
		if x.existing != nil {
			known[x.name] = *x.existing
		}
		if !x.name.IsTemplate() {
			asked = append(asked, api.PlanUnit{Name: x.name, File: string(x.raw), DesiredState: desired})
		}
	}
	if len(asked) == 0 {
		return nil
	}
	p, err := c.Plan(ctx, asked)
	switch {
	case err != nil && (found || ctx.Err() != nil):
		return remote(fmt.Errorf("plan for %s: %w", count(len(asked), "unit"), err))
	case err != nil: // a fleetd that cannot plan, or not in time: one by one they would be started unasked
		a.complain("It is not known whether this takes the place of something that runs: plan for %s: %v", count(len(asked), "unit"), err)
		return nil
	}
	disturbed, err := a.disturbed(ctx, c, p, known)
	if err != nil {
		return err
	}
	disturbed = slices.DeleteFunc(disturbed, func(name unit.Name) bool { return named[name] })
	if len(p.Steps) > 0 && (found || len(disturbed) > 0) {
		addresses, err := a.addresses(ctx, c)
		if err != nil {
			return err
		}
		a.showSteps(p, addresses)
		a.say("%s.", planSum(p))
	}
	if len(disturbed) == 0 || yes {
		return nil
	}
	return a.agree(ctx, wouldChange(disturbed))
}

// wouldChange says which units that run would no longer run as they do.
func wouldChange(names []unit.Name) string {
	const most = 5
	text := make([]string, 0, most)
	for _, name := range names[:min(len(names), most)] {
		text = append(text, string(name))
	}
	if more := len(names) - most; more > 0 {
		text = append(text, fmt.Sprintf("%d more", more))
	}
	return fmt.Sprintf("%s would change: %s", count(len(names), "running unit"), strings.Join(text, ", "))
}

// disturbed are the units of a plan that run and would be stopped, replaced or moved. What
// is known of units need not be asked for.
func (a *app) disturbed(ctx context.Context, c *api.Client, p api.Plan, known map[unit.Name]api.Unit) ([]unit.Name, error) {
	var touched, unknown []unit.Name
	for _, step := range p.Steps {
		if step.Action == cluster.PlanPlace || step.Action == cluster.PlanPend || slices.Contains(touched, step.Unit) {
			continue
		}
		touched = append(touched, step.Unit)
		if _, ok := known[step.Unit]; !ok {
			unknown = append(unknown, step.Unit)
		}
	}
	others, err := lookUp(ctx, c, unknown)
	if err != nil {
		return nil, err
	}
	running := make(map[unit.Name]bool, len(touched))
	for _, u := range others {
		running[u.Name] = runs(u)
	}
	for name, u := range known {
		running[name] = runs(u)
	}
	return slices.DeleteFunc(touched, func(name unit.Name) bool { return !running[name] }), nil
}

// runs tells whether anything of a unit is up, or on its way up or down.
func runs(u api.Unit) bool {
	return slices.ContainsFunc(u.Copies, func(c api.Copy) bool {
		return c.Active != "" && c.Active != "inactive" && c.Active != "failed"
	})
}
