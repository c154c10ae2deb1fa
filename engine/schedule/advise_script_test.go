package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"fleet/cluster"
	"fleet/unit"
)

// runAdvice runs the commands of scripts that ask and change nothing:
//
//	explain NAME                        why it is where it is, and what the rules say of every machine
//	plan NAME... [desired=...]          what would follow from submitting units; the input is as that of unit. Without
//	                                    an input they keep their files
//	rebalance free|even [N] [carried]   which moves, at most N, would reach the goal; "carried" carries them out, one by one
func (s *sim) runAdvice(t *testing.T, d *datadriven.TestData, a args) string {
	switch d.Cmd {
	case "explain":
		e, err := s.advisor().Explain(s.stored(), unit.Name(a.names[0]))
		if err != nil {
			return err.Error() + "\n"
		}
		return showExplanation(e)
	case "plan":
		var edits []cluster.UnitEdit
		for _, name := range a.names {
			edits = append(edits, s.proposed(unit.Name(name), d.Input, cluster.DesiredState(a.metadata["desired"])))
		}
		p, err := s.advisor().Plan(s.stored(), edits)
		if err != nil {
			return err.Error() + "\n"
		}
		return showPlan(p)
	case "rebalance":
		limit := 0
		if len(a.names) > 1 {
			limit, _ = strconv.Atoi(a.names[1])
		}
		p, err := s.advisor().Rebalance(s.stored(), cluster.Goal(a.names[0]), limit)
		if err != nil {
			return err.Error() + "\n"
		}
		if a.names[len(a.names)-1] == "carried" {
			s.carryOut(p)
			return s.show()
		}
		return showPlan(p) + fmt.Sprintf("%s; then %s\n", inBalance(p.Before), inBalance(p.After))
	}
	d.Fatalf(t, "unknown command %s", d.Cmd)
	return ""
}

func (s *sim) advisor() Advisor { return Advisor{Strategy: s.strategy} }

// stored is what a reader of the store knows.
func (s *sim) stored() *cluster.Snapshot {
	var snapshot cluster.Snapshot
	snapshot.Apply(s.snapshot())
	return &snapshot
}

// proposed is what the API asks about a unit.
func (s *sim) proposed(name unit.Name, input string, desired cluster.DesiredState) cluster.UnitEdit {
	u, known := s.units[name]
	e := cluster.UnitEdit{Unit: u}
	e.Unit.Name = name
	if !known {
		e.Unit.Desired = cluster.Launched
	}
	if desired != "" {
		e.Unit.Desired = desired
	}
	if input == "" && known {
		return e
	}
	if input != "" && !strings.HasPrefix(input, "[") {
		input = "[" + unit.FleetSection + "]\n" + input
	}
	f, err := unit.Parse([]byte("[Service]\nExecStart=/bin/true\n" + input + "\n"))
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	rules, err := f.Rules(name)
	if err != nil {
		s.t.Fatalf("%s: %v", name, err)
	}
	if f.ID() != u.Content {
		e.Unit.Content, e.Unit.Global, e.File = f.ID(), rules.Global, f.Bytes()
	}
	return e
}

// carryOut asks for one move after another, and has each settle.
func (s *sim) carryOut(p cluster.Plan) {
	for _, step := range p.Steps {
		if _, there := s.orders[step.To].Units[step.Unit]; there {
			continue // it came with another
		}
		if _, there := s.orders[step.From].Units[step.Unit]; !there {
			s.t.Fatalf("%s is not on %s any more, from where it was to go to %s\n%s", step.Unit, step.From, step.To, s.show())
		}
		s.move(step.Unit, step.To)
		s.settle()
		if o, there := s.orders[step.To].Units[step.Unit]; !there {
			s.t.Fatalf("%s did not go from %s to %s: %s\n%s", step.Unit, step.From, step.To, o.Reason, s.show())
		}
	}
}

func showExplanation(e cluster.Explanation) string {
	var b strings.Builder
	switch {
	case len(e.Machines) > 0:
		fmt.Fprintf(&b, "%s is on %v: %s\n", e.Unit, e.Machines, e.Reason)
	case e.Pending != nil:
		fmt.Fprintf(&b, "%s is nowhere: %s%s\n", e.Unit, waits(e.Pending.Waiting), e.Pending)
	default:
		fmt.Fprintf(&b, "%s is wanted nowhere\n", e.Unit)
	}
	for _, v := range e.Verdicts {
		here := ""
		if v.Here {
			here = " (here)"
		}
		if v.Fits {
			fmt.Fprintf(&b, "  %s%s: %s\n", v.Machine, here, v.Score)
			continue
		}
		fmt.Fprintf(&b, "  not %s%s (%s): %s", v.Machine, here, v.Rule, v.Detail)
		if v.Resource != "" {
			fmt.Fprintf(&b, ", %s of %s missing", inWords(v.Resource, v.Missing), inWords(v.Resource, v.Needed))
		}
		fmt.Fprintln(&b)
	}
	if e.Remedy != nil {
		fmt.Fprintf(&b, "  would help: %s\n", e.Remedy.Text)
	}
	if e.Failures != nil {
		fmt.Fprintf(&b, "  has failed %d times\n", len(e.Failures.Tries))
	}
	return b.String()
}

func showPlan(p cluster.Plan) string {
	if len(p.Steps) == 0 {
		return "nothing\n"
	}
	var b strings.Builder
	for _, step := range p.Steps {
		ends := slices.DeleteFunc([]cluster.MachineID{step.From, step.To}, func(id cluster.MachineID) bool { return id == "" })
		fmt.Fprintf(&b, "%s %s", step.Action, step.Unit)
		switch {
		case step.Action == cluster.PlanPlace:
			fmt.Fprintf(&b, " to %s", step.To)
		case len(ends) == 2 && step.From != step.To:
			fmt.Fprintf(&b, " from %s to %s", step.From, step.To)
		case len(ends) > 0:
			fmt.Fprintf(&b, " on %s", ends[0])
		}
		why := step.Reason
		if step.Pending != nil {
			why = step.Pending.String()
		}
		fmt.Fprintf(&b, ": %s\n", why)
	}
	return b.String()
}

func inBalance(b cluster.Balance) string {
	return fmt.Sprintf("%d empty, fullest %.0f%%, spread %.0f%%", b.Empty, 100*b.Fullest, 100*b.Spread)
}
