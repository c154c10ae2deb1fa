package cluster

import (
	"fmt"
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
	Excluded []Exclusion // which rule excluded how many of them; a machine counts once, for the first rule it failed
	Message  string      // for what is not about machines (a corrupt record, a brake); also the text for people if set
	Since    time.Time
}

// Exclusion is one rule with the machines that it ruled out.
type Exclusion struct {
	Rule     string // MachineID, MachineMetadata, MachineOf, Conflicts, Replaces, MaxUnits, …
	Detail   string // a verb and more that complete "3 machines …": "lack disk=ssd", "run a.service (Conflicts)"
	Machines int
}

// String says it in one line: "0 of 7 machines fit: 3 lack disk=ssd, 4 …".
func (p Pending) String() string {
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
