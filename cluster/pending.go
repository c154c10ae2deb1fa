package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"fleet/unit"
)

// Pending is why a unit that should be on a machine is on none. The engine writes it.
type Pending struct {
	Generation int64 // Unit.Generation that was considered
	// Waiting tells that the unit will be placed without anybody's help, for instance when its former copy has stopped.
	Waiting  bool
	Machines int         // how many machines were considered
	Peers    []unit.Name // units that have to be placed first (MachineOf)
	Excluded []Exclusion // which rule excluded which of them; a machine counts once, for the first rule it failed
	Message  string      // for what is not about machines (a corrupt record, a brake); also the text for people if set
	Remedy   *Remedy     // the smallest single change that would place the unit; nil if none is known
	Place    MachineID   // the machine that is being cleared for it; empty if none is
	Note     string      // what happened to it before, said ahead of the reason: "displaced by db.service (priority 700)"
	Since    time.Time
}

// Exclusion is one rule with the machines that it ruled out.
type Exclusion struct {
	Rule     string // MachineID, MachineMetadata, MachineOf, Conflicts, Replaces, Cordon, Resources, Spread, …
	Detail   string // a verb and more that complete "3 machines …": "lack disk=ssd", "run a.service (Conflicts)"
	Machines int    // how many

	// Some of the machines, by id: all of them in an Explanation, at most MaxExamples in a Pending.
	Examples []MachineID

	// Of Rule Resources: what is lacking, how much of it is needed, and how much the one
	// of these machines lacks that has the most of it free. In the units of unit.Resources.
	Resource string
	Needed   int64
	Missing  int64
}

// MaxExamples is how many machines an Exclusion of a Pending names.
const MaxExamples = 8

// Equal tells whether the two say the same.
func (e Exclusion) Equal(o Exclusion) bool {
	return e.Rule == o.Rule && e.Detail == o.Detail && e.Machines == o.Machines && slices.Equal(e.Examples, o.Examples) &&
		e.Resource == o.Resource && e.Needed == o.Needed && e.Missing == o.Missing
}

// Remedy is a single change after which a unit would be placed.
type Remedy struct {
	Rule     string    // the rule that would be met then
	Machine  MachineID // where the unit would go; empty if that is open
	Resource string    // of Rule Resources: what has to be freed or added,
	Amount   int64     // and how much
	Text     string    // for people: "free 212M of memory on 3f2a…, or reserve that much less"
}

// String says it in one line: "0 of 7 machines fit: 3 lack disk=ssd, 4 …".
func (p Pending) String() string {
	if p.Note != "" {
		note := p.Note
		p.Note = ""
		return note + "; " + p.String()
	}
	if p.Message != "" {
		return p.Message
	}
	if p.Machines == 0 {
		return "there is no machine in the cluster"
	}
	why := make([]string, len(p.Excluded))
	for i, e := range p.Excluded {
		why[i] = e.String()
	}
	return fmt.Sprintf("0 of %d machines fit: %s", p.Machines, strings.Join(why, ", "))
}

// String says it with the number of machines: "3 lack disk=ssd", "1 lacks disk=ssd".
func (e Exclusion) String() string {
	verb, rest, _ := strings.Cut(e.Detail, " ")
	if e.Machines == 1 {
		verb = singular(verb)
	}
	return fmt.Sprintf("%d %s %s", e.Machines, verb, rest)
}

func singular(verb string) string {
	switch verb {
	case "are":
		return "is"
	case "do":
		return "does"
	case "have":
		return "has"
	}
	return verb + "s"
}
