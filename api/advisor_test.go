package api_test

import (
	"fmt"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// advisor is a small engine: it knows metadata and memory, and takes the first machine that fits.
type advisor struct{}

func (advisor) Explain(s *cluster.Snapshot, name unit.Name) (cluster.Explanation, error) {
	st := s.Status(name)
	e := cluster.Explanation{Unit: name}
	if id := st.Machine(); id != "" {
		orders, _ := s.Orders(id)
		e.Machines, e.Reason, e.Since = []cluster.MachineID{id}, orders.Units[name].Reason, orders.Units[name].Since
	}
	file, ok := s.File(st.Unit.Content)
	if !ok {
		return e, fmt.Errorf("the file of %s is missing", name)
	}
	for _, id := range s.Machines() {
		v := verdict(s, id, name, file.File)
		v.Here = slices.Contains(e.Machines, id)
		e.Verdicts = append(e.Verdicts, v)
	}
	if failures, failed := s.Failures(name); failed {
		e.Failures = &failures
	}
	if pending, waits := s.Pending(name); waits && e.Machines == nil {
		e.Pending, e.Remedy, e.Since = &pending, pending.Remedy, pending.Since
	}
	return e, nil
}

func verdict(s *cluster.Snapshot, id cluster.MachineID, name unit.Name, file *unit.File) cluster.Verdict {
	rules, err := file.Rules(name)
	if err != nil {
		return cluster.Verdict{Machine: id, Rule: "Corrupt", Detail: "cannot be judged: " + err.Error()}
	}
	for _, r := range rules.Metadata {
		if !r.Match(s.Metadata(id)) {
			return cluster.Verdict{Machine: id, Rule: "MachineMetadata", Detail: "lack " + r.String()}
		}
	}
	if free := s.Limit(id).Memory - reservedBut(s, id, name); rules.Needs.Memory > free {
		return cluster.Verdict{
			Machine: id, Rule: "Resources", Detail: "have too little memory", Resource: unit.Memory,
			Needed: rules.Needs.Memory, Missing: rules.Needs.Memory - free,
		}
	}
	return cluster.Verdict{Machine: id, Fits: true, Score: "as good as any"}
}

// reservedBut is the memory that the other units of a machine reserve.
func reservedBut(s *cluster.Snapshot, id cluster.MachineID, name unit.Name) int64 {
	var sum int64
	orders, _ := s.Orders(id)
	for other, order := range orders.Units {
		file, ok := s.File(order.Content)
		if !ok || other == name {
			continue
		}
		rules, err := file.Rules(other)
		if err == nil {
			sum += rules.Needs.Memory
		}
	}
	return sum
}

func (advisor) Plan(s *cluster.Snapshot, edits []cluster.UnitEdit) (cluster.Plan, error) {
	var p cluster.Plan
	for _, e := range edits {
		p.Steps = append(p.Steps, planned(s, e)...)
	}
	return p, nil
}

func planned(s *cluster.Snapshot, e cluster.UnitEdit) []cluster.PlanStep {
	name, at := e.Unit.Name, s.Status(e.Unit.Name).Machine()
	switch {
	case e.Unit.Desired == cluster.Inactive && at == "":
		return nil
	case e.Unit.Desired == cluster.Inactive:
		return []cluster.PlanStep{{Action: cluster.PlanStop, Unit: name, From: at}}
	case at != "":
		return []cluster.PlanStep{{Action: cluster.PlanChange, Unit: name, From: at, To: at, Reason: "it still fits"}}
	}
	var file *unit.File
	if stored, ok := s.File(e.Unit.Content); ok {
		file = stored.File
	}
	if e.File != nil {
		file, _ = unit.Parse(e.File) // the API has read it before
	}
	why := cluster.Pending{Generation: s.Revision + 1}
	for _, id := range s.Machines() {
		v := verdict(s, id, name, file)
		if v.Fits {
			return []cluster.PlanStep{{Action: cluster.PlanPlace, Unit: name, To: id, Reason: "the first that fits"}}
		}
		why.Machines++
		why.Excluded = append(why.Excluded, cluster.Exclusion{
			Rule: v.Rule, Detail: v.Detail, Machines: 1, Examples: []cluster.MachineID{id},
			Resource: v.Resource, Needed: v.Needed, Missing: v.Missing,
		})
	}
	return []cluster.PlanStep{{Action: cluster.PlanPend, Unit: name, Pending: &why}}
}

// Rebalance gathers all units on the first machine, whatever the goal.
func (advisor) Rebalance(s *cluster.Snapshot, _ cluster.Goal, limit int) (cluster.Plan, error) {
	p := cluster.Plan{Before: cluster.Balance{Fullest: 0.5, Spread: 0.125}, After: cluster.Balance{Fullest: 0.5, Spread: 0.125}}
	first := s.Machines()[0]
	for _, name := range s.Units() {
		at := s.Status(name).Machine()
		if at == "" || at == first || limit > 0 && len(p.Steps) == limit {
			continue
		}
		p.Steps = append(p.Steps, cluster.PlanStep{Action: cluster.PlanMove, Unit: name, From: at, To: first, Reason: "frees " + at.Short()})
		p.After = cluster.Balance{Empty: 1, Fullest: 0.75, Spread: 0.375}
	}
	return p, nil
}
