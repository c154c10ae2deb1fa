package main

import (
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// advisor is the engine's opinion about a world: it knows metadata and memory, prefers the
// first machine, and has the second one relieve it.
type advisor struct{}

// Explain implements api.Advisor.
func (advisor) Explain(s *cluster.Snapshot, name unit.Name) (cluster.Explanation, error) {
	st := s.Status(name)
	file, ok := s.File(st.Unit.Content)
	if !ok {
		return cluster.Explanation{}, fmt.Errorf("its file is missing")
	}
	rules, err := file.Rules(name)
	if err != nil {
		return cluster.Explanation{}, err
	}
	e := cluster.Explanation{Unit: name}
	for _, id := range s.Machines() {
		v := judged(s, id, rules)
		for _, c := range st.Copies {
			if c.Machine == id && c.Live() {
				v.Here = true
				e.Machines, e.Reason, e.Since = append(e.Machines, id), c.Order.Reason, c.Order.Since
			}
		}
		e.Verdicts = append(e.Verdicts, v)
	}
	if failures, failed := s.Failures(name); failed {
		e.Failures = &failures
	}
	if pending, waits := s.Pending(name); waits && e.Machines == nil {
		e.Pending, e.Since = &pending, pending.Since
		e.Remedy = remedy(rules)
	}
	return e, nil
}

func judged(s *cluster.Snapshot, id cluster.MachineID, rules unit.Rules) cluster.Verdict {
	for _, r := range rules.Metadata {
		if !r.Match(s.Metadata(id)) {
			return cluster.Verdict{Machine: id, Rule: "MachineMetadata", Detail: "lack " + r.String()}
		}
	}
	if s.Settings(id).Cordoned {
		return cluster.Verdict{Machine: id, Rule: "Cordon", Detail: "are cordoned"}
	}
	if has := s.Limit(id).Memory; rules.Needs.Memory > has {
		return cluster.Verdict{
			Machine: id, Rule: "Resources", Detail: "lack " + unit.FormatAmount(unit.Memory, rules.Needs.Memory-has) + " of memory",
			Resource: unit.Memory, Needed: rules.Needs.Memory, Missing: rules.Needs.Memory - has,
		}
	}
	return cluster.Verdict{Machine: id, Fits: true, Score: fmt.Sprintf("%d units there", len(orders(s, id)))}
}

func orders(s *cluster.Snapshot, id cluster.MachineID) map[unit.Name]cluster.Order {
	o, _ := s.Orders(id)
	return o.Units
}

func remedy(rules unit.Rules) *cluster.Remedy {
	if len(rules.Metadata) == 0 {
		return nil
	}
	return &cluster.Remedy{
		Rule: "MachineMetadata", Machine: firstMachine,
		Text: fmt.Sprintf("give %s the metadata %s", firstMachine.Short(), rules.Metadata[0]),
	}
}

// Plan implements api.Advisor. A unit of priority makes way on the first machine for itself.
func (advisor) Plan(s *cluster.Snapshot, edits []cluster.UnitEdit) (cluster.Plan, error) {
	var p cluster.Plan
	for _, e := range edits {
		name, at := e.Unit.Name, s.Status(e.Unit.Name).Machine()
		raw := e.File
		if stored, ok := s.File(e.Unit.Content); raw == nil && ok {
			raw = stored.Bytes()
		}
		file, err := unit.Parse(raw)
		if err != nil {
			return cluster.Plan{}, err
		}
		rules, err := file.Rules(name)
		if err != nil {
			return cluster.Plan{}, err
		}
		switch {
		case e.Unit.Desired == cluster.Inactive && at != "":
			p.Steps = append(p.Steps, cluster.PlanStep{Action: cluster.PlanStop, Unit: name, From: at, Reason: "it is not wanted"})
		case e.Unit.Desired == cluster.Inactive:
		case at != "" && e.File != nil:
			p.Steps = append(p.Steps, cluster.PlanStep{Action: cluster.PlanChange, Unit: name, From: at, To: at, Reason: "its file changes, and it still fits"})
		case at != "":
		default:
			p.Steps = append(p.Steps, placed(s, name, rules)...)
		}
	}
	return p, nil
}

func placed(s *cluster.Snapshot, name unit.Name, rules unit.Rules) []cluster.PlanStep {
	why := &cluster.Pending{Machines: 2, Remedy: remedy(rules)}
	for _, id := range s.Machines() {
		v := judged(s, id, rules)
		if !v.Fits {
			why.Excluded = append(why.Excluded, cluster.Exclusion{Rule: v.Rule, Detail: v.Detail, Machines: 1, Examples: []cluster.MachineID{id}})
			continue
		}
		steps := []cluster.PlanStep{{Action: cluster.PlanPlace, Unit: name, To: id, Reason: v.Score}}
		if rules.Priority == 0 {
			return steps
		}
		for other := range orders(s, id) {
			steps = append(steps, cluster.PlanStep{
				Action: cluster.PlanDisplace, Unit: other, From: id, Reason: fmt.Sprintf("makes way for %s (priority %d)", name, rules.Priority),
			})
		}
		return steps
	}
	return []cluster.PlanStep{{Action: cluster.PlanPend, Unit: name, Pending: why}}
}

// Rebalance implements api.Advisor.
func (advisor) Rebalance(s *cluster.Snapshot, goal cluster.Goal, limit int) (cluster.Plan, error) {
	p := cluster.Plan{Before: cluster.Balance{Empty: 1, Fullest: 0.8, Spread: 0.4}}
	p.After = p.Before
	for _, name := range s.Units() {
		_, there := orders(s, firstMachine)[name]
		if !there || goal != cluster.GoalEven || limit > 0 && len(p.Steps) == limit {
			continue
		}
		p.Steps = append(p.Steps, cluster.PlanStep{
			Action: cluster.PlanMove, Unit: name, From: firstMachine, To: secondMachine, Reason: "relieves 1111aaaa",
		})
		p.After = cluster.Balance{Empty: 1, Fullest: 0.5}
	}
	return p, nil
}
