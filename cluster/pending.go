package cluster

import (
	"fmt"
	"strings"
	"time"
)

// Pending is why a unit that should be on a machine is on none. The engine writes it.
type Pending struct {
	Generation int64 // Unit.Generation that was considered
	// Waiting tells that the unit will be placed without anybody's help, for instance when its former copy has stopped.
	Waiting  bool
	Machines int         // how many machines were considered
	Excluded []Exclusion // which rule excluded how many of them; a machine counts once, for the first rule it failed
	Message  string      // for what is not about machines (a corrupt record, a brake); also the text for people if set
	Since    time.Time
}

// Exclusion is one rule with the machines that it ruled out.
type Exclusion struct {
	Rule     string // MachineID, MachineMetadata, MachineOf, Conflicts, Replaces, MaxUnits, …
	Detail   string // in words that complete "3 machines …": "lack disk=ssd", "run a.service, which it conflicts with"
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
		why[i] = fmt.Sprintf("%d %s", e.Machines, e.Detail)
	}
	return fmt.Sprintf("0 of %d machines fit: %s", p.Machines, strings.Join(why, ", "))
}
