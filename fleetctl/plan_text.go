package main

import (
	"context"
	"fmt"
	"strings"

	"fleet/api"
	"fleet/cluster"
)

// showPlan writes a plan for people.
func (a *app) showPlan(ctx context.Context, c *api.Client, p api.Plan) error {
	if len(p.Steps) == 0 {
		a.say("Nothing would change.")
		return nil
	}
	addresses, err := a.addresses(ctx, c)
	if err != nil {
		return err
	}
	a.showSteps(p, addresses)
	a.say("%s. Nothing was changed.", planSum(p))
	return nil
}

func (a *app) showSteps(p api.Plan, addresses map[cluster.MachineID]string) {
	width := 0
	for _, step := range p.Steps {
		width = max(width, len(step.Unit))
	}
	for _, step := range p.Steps {
		mark, text := stepWords(step, func(id cluster.MachineID) string { return place(id, addresses[id], false) })
		a.say("%s %-*s  %s", a.paint(a.stdout, markStyles[mark], mark), width, step.Unit, text)
		if step.Pending != nil && step.Pending.Remedy != nil && step.Pending.Remedy.Text != "" {
			a.say("  %-*s  what would help: %s", width, "", step.Pending.Remedy.Text)
		}
	}
}

// markStyles are those of a comparison: what comes, what goes.
var markStyles = map[string]style{"+": green, "-": red, "!": red, "~": yellow}

// stepWords are the mark of a step and the rest of its sentence.
func stepWords(s api.PlanStep, at func(cluster.MachineID) string) (mark, text string) {
	switch s.Action {
	case cluster.PlanPlace:
		mark, text = "+", "would go to "+at(s.To)
	case cluster.PlanMove:
		mark, text = "~", "would move from "+at(s.From)+" to "+at(s.To)
	case cluster.PlanChange:
		mark, text = "~", "would change on "+at(s.To)
	case cluster.PlanStop:
		mark, text = "-", "would leave "+at(s.From)
	case cluster.PlanDisplace:
		mark, text = "-", "would be displaced from "+at(s.From)
		if s.To != "" {
			mark, text = "~", text+", and go to "+at(s.To)
		}
	case cluster.PlanPend:
		mark, text = "!", "would have no machine"
	default: // of a newer fleetd
		mark, text = "?", string(s.Action)
	}
	reason := s.Reason
	if s.Pending != nil {
		reason = s.Pending.Message
	}
	if reason != "" {
		text += ": " + reason
	}
	return mark, text
}

// planSum is a plan in one line.
func planSum(p api.Plan) string {
	counts := make(map[cluster.PlanAction]int)
	without := 0
	for _, step := range p.Steps {
		counts[step.Action]++
		if homeless(step) {
			without++
		}
	}
	var parts []string
	for _, kind := range []struct {
		action cluster.PlanAction
		words  string
	}{
		{cluster.PlanPlace, "to place"},
		{cluster.PlanMove, "to move"},
		{cluster.PlanChange, "to change"},
		{cluster.PlanDisplace, "displaced"},
		{cluster.PlanStop, "to stop"},
	} {
		if n := counts[kind.action]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind.words))
		}
	}
	if without > 0 {
		parts = append(parts, fmt.Sprintf("%d without a machine", without))
	}
	return "Plan: " + strings.Join(parts, ", ")
}
