package api

import (
	"cmp"
	"fmt"

	"fleet/cluster"
)

// machinePast is a machine as it was last seen.
type machinePast struct {
	present  bool
	session  cluster.Session
	address  string
	cordoned bool
	leads    bool
	known    bool // it has orders: it is not new
	units    int  // that it was ordered to have
	corrupt  string
}

func (v view) machinePast(id cluster.MachineID) machinePast {
	m, present := v.Machine(id)
	orders, known := v.Orders(id)
	corrupt, _ := v.Corrupt(cluster.KindMachine, string(id))
	return machinePast{
		present: present, session: m.Session, address: m.Address, cordoned: v.Settings(id).Cordoned,
		leads: v.Leader == id, known: known, units: len(orders.Units), corrupt: corrupt,
	}
}

// machineHappened tells what has happened to a machine between two moments.
func machineHappened(id cluster.MachineID, was, is machinePast) []Happening {
	var told []Happening
	name := machineWords(id, cmp.Or(is.address, was.address))
	tell := func(kind HappeningType, severity Severity, format string, args ...any) {
		message := fmt.Sprintf("machine %s ", name) + fmt.Sprintf(format, args...)
		told = append(told, Happening{Type: kind, MachineID: id, Message: message, Severity: severity})
	}
	switch {
	case is.corrupt != "" && is.corrupt != was.corrupt:
		tell(HappenedUnreadable, SeverityWarning, "has a record that cannot be read: %s", is.corrupt)
	case is.corrupt != "" || was.corrupt != "" && is.present:
		// What has become of it meanwhile is not known.
	case was.present && !is.present:
		tell(HappenedLost, SeverityWarning, "lost%s", placedThere(is.units))
	case !was.present && is.present && is.known, was.present && is.present && was.session != is.session:
		tell(HappenedReturned, SeverityInfo, "is back%s", placedThere(is.units))
	case !was.present && is.present:
		tell(HappenedJoined, SeverityInfo, "joined")
	}
	switch {
	case is.cordoned && !was.cordoned:
		tell(HappenedCordoned, SeverityInfo, "cordoned: it is given no further units")
	case was.cordoned && !is.cordoned:
		tell(HappenedUncordoned, SeverityInfo, "uncordoned")
	}
	if is.leads && !was.leads {
		tell(HappenedLeader, SeverityInfo, "leads: its engine places units")
	}
	return told
}

func placedThere(units int) string {
	switch units {
	case 0:
		return "; no unit was placed there"
	case 1:
		return "; 1 unit was placed there"
	}
	return fmt.Sprintf("; %d units were placed there", units)
}

// leaderHappened tells when nobody leads any more. Who leads instead is told of that machine.
func leaderHappened(was, is cluster.MachineID) []Happening {
	if was == "" || is != "" {
		return nil
	}
	return []Happening{{
		Type: HappenedLeader, MachineID: was, Severity: SeverityWarning,
		Message: fmt.Sprintf("machine %s leads no longer, and no other does: nothing is placed until one does", was.Short()),
	}}
}
