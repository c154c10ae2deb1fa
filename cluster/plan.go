package cluster

import (
	"time"

	"fleet/unit"
)

// Explanation is why a unit is where it is, or nowhere, rule by rule and machine by machine.
type Explanation struct {
	Unit     unit.Name
	Machines []MachineID // where it is ordered to be; more than one only of a global unit
	Reason   string      // why there, as it was decided
	Since    time.Time   // since when it is there, or pending
	Pending  *Pending    // why it is nowhere; nil if it has a machine
	Failures *Failures   // where it failed before; nil if nowhere

	Verdicts []Verdict // of every machine that is present, by id
	Remedy   *Remedy   // what would place it, if it is pending
}

// Verdict is what the rules say of one unit on one machine, as if the unit were not there.
type Verdict struct {
	Machine  MachineID
	Here     bool   // it is there
	Fits     bool   // it could be
	Rule     string // the first rule that the machine fails; empty if it fits
	Detail   string // completes "3 machines …", as Exclusion.Detail
	Resource string // of Rule Resources, as in Exclusion
	Needed   int64
	Missing  int64
	Score    string // of a machine that fits: how it compares, in words
}

// Plan is what the engine would do. Nothing of it is stored.
type Plan struct {
	Steps []PlanStep
	// Before and After are what a rebalancing is about; zero for other plans.
	Before, After Balance
}

// PlanStep is one thing that the engine would do about one unit.
type PlanStep struct {
	Action  PlanAction
	Unit    unit.Name
	From    MachineID // empty unless the unit leaves a machine
	To      MachineID // empty unless it is given one
	Reason  string
	Pending *Pending // of PlanPend
}

// PlanAction is the kind of a PlanStep.
type PlanAction string

// The actions.
const (
	PlanPlace    PlanAction = "place"    // it gets a machine
	PlanMove     PlanAction = "move"     // it changes machines
	PlanDisplace PlanAction = "displace" // it makes way for a unit of higher priority, and goes to To if that is set
	PlanStop     PlanAction = "stop"     // it leaves its machine and is wanted on none
	PlanChange   PlanAction = "change"   // it stays where it is, with a new file or state
	PlanPend     PlanAction = "pend"     // it gets no machine
)

// Goal is what a rebalancing is to achieve.
type Goal string

// The goals.
const (
	GoalFree Goal = "free" // free the emptiest machines: as few machines as possible have units
	GoalEven Goal = "even" // even them out: the fullest machine as little full as possible
)

// Balance measures how units lie on machines.
type Balance struct {
	Empty   int     // machines that are present and have no unit, global ones aside
	Fullest float64 // the largest share of any resource that is reserved on any machine, 0-1
	Spread  float64 // standard deviation over the machines of the largest share reserved on each
}
