package main

import (
	"fmt"
	"strings"

	"fleet/api"
	"fleet/unit"
)

// gain is what a rebalancing of at most so many moves (0: of any number) would lead to, in one line.
func gain(p api.Plan, limit int) string {
	if len(p.Steps) == 0 {
		line := "Nothing to move: no move would bring the cluster closer to the goal"
		if limit > 0 {
			line = fmt.Sprintf("Nothing to move: no %s would bring the cluster closer to the goal; without --max there may be some", atMost(limit))
		}
		if p.Before != nil {
			line += fmt.Sprintf(" (%s without units, fullest %s full)", count(p.Before.Empty, "machine"), percent(p.Before.Fullest))
		}
		return line + "."
	}
	line := count(len(p.Steps), "move")
	if p.Before == nil || p.After == nil {
		return line + "."
	}
	parts := []string{
		change("machines without units", fmt.Sprint(p.Before.Empty), fmt.Sprint(p.After.Empty)),
		change("fullest machine", percent(p.Before.Fullest), percent(p.After.Fullest)),
		change("unevenness", percent(p.Before.Spread), percent(p.After.Spread)),
	}
	return line + ": " + strings.Join(parts, ", ") + "."
}

func atMost(moves int) string {
	if moves == 1 {
		return "single move"
	}
	return fmt.Sprintf("%d moves", moves)
}

func change(what, before, after string) string {
	if before == after {
		return what + " " + before + " as before"
	}
	return what + " " + before + " → " + after
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }

func namesOf(steps ...api.PlanStep) []unit.Name {
	names := make([]unit.Name, len(steps))
	for i, s := range steps {
		names[i] = s.Unit
	}
	return names
}
