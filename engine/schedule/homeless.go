package schedule

import (
	"cmp"

	"fleet/cluster"
)

// The reasons why a unit has no machine, beside the names of rules.
const (
	reasonWaiting   = "Waiting"   // it will be placed without anybody's help
	reasonNoMachine = "NoMachine" // there is none in the cluster
	reasonOther     = "Other"     // what is not about machines: a record that cannot be read, a brake
)

// Reasons are all that Homeless may have.
func Reasons() []string {
	all := []string{reasonWaiting, reasonNoMachine, reasonOther, presence}
	for _, r := range rules() {
		all = append(all, r.name)
	}
	return all
}

// Homeless is how many units have a reason why they have no machine, or cannot leave one, by that reason: the
// rule that excludes the most machines, or one of the others of Reasons. What a former leader has found counts
// until it is looked at again. The caller must not change it, and it changes with the next call of Decide.
func (s *State) Homeless() map[string]int { return s.reasons }

// countReason counts the unit as one that has this reason; nil is none.
func (s *State) countReason(t *task, p *cluster.Pending) {
	was, is := t.countedAs, ""
	if p != nil {
		is = reasonOf(p)
	}
	if was == is {
		return
	}
	if was != "" {
		if s.reasons[was]--; s.reasons[was] == 0 {
			delete(s.reasons, was)
		}
	}
	if is != "" {
		s.reasons[is]++
	}
	t.countedAs = is
}

func reasonOf(p *cluster.Pending) string {
	switch {
	case p.Waiting:
		return reasonWaiting
	case len(p.Excluded) > 0: // the rule that excludes the most is the first
		return cmp.Or(p.Excluded[0].Rule, reasonWaiting)
	case p.Message != "":
		if p.Remedy != nil && p.Remedy.Rule == failuresRule {
			return failuresRule // it is parked
		}
		return reasonOther
	case p.Machines == 0:
		return reasonNoMachine
	}
	return reasonOther
}
