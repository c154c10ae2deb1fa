package api

import (
	"cmp"
	"fmt"

	"fleet/cluster"
)

// machinePast is a machine as it was last seen.
type machinePast struct {
	present  bool
	shown    bool // it is present, or its record cannot be read: it is in lists
	known    bool // it has orders, or is known to be absent: it is not new
	session  cluster.Session
	state    cluster.MachineState
	address  string
	cordoned bool
	drain    *Drain // nil: it is not drained
	leaving  bool
	leads    bool
	units    int // that it was ordered to have
	corrupt  string
}

// machinePast remembers a machine, which was made for telling, or is nil.
func (v view) machinePast(id cluster.MachineID, told *Machine) machinePast {
	m, present := v.Machine(id)
	orders, ordered := v.Orders(id)
	_, absent := v.Absence(id)
	corrupt, damaged := v.Corrupt(cluster.KindMachine, string(id))
	p := machinePast{
		present: present, shown: present || damaged, known: ordered || absent, session: m.Session, address: m.Address, leaving: m.Leaving,
		cordoned: v.Settings(id).Cordoned, leads: v.Leader == id, units: len(orders.Units), corrupt: corrupt,
	}
	if told != nil {
		p.address, p.state, p.drain = told.PrimaryIP, told.State, told.Drain
	}
	return p
}

// machineTeller collects what has happened to one machine.
type machineTeller struct {
	id   cluster.MachineID
	name string
	told []Happening
}

func (t *machineTeller) tell(kind HappeningType, severity Severity, format string, args ...any) {
	message := fmt.Sprintf("machine %s ", t.name) + fmt.Sprintf(format, args...)
	t.told = append(t.told, Happening{Type: kind, MachineID: t.id, Message: message, Severity: severity})
}

// machineHappened tells what has happened to a machine between two moments.
func machineHappened(id cluster.MachineID, was, is machinePast) []Happening {
	t := machineTeller{id: id, name: machineWords(id, cmp.Or(is.address, was.address))}
	t.presence(was, is)
	t.asked(was, is)
	if is.leads && !was.leads {
		t.tell(HappenedLeader, SeverityInfo, "leads: its engine places units")
	}
	return t.told
}

// presence tells whether the machine came or went, or its fleetd did.
func (t *machineTeller) presence(was, is machinePast) {
	silent := func(p machinePast) bool { return p.state == cluster.StateSilent }
	switch {
	case is.corrupt != "" && is.corrupt != was.corrupt:
		t.tell(HappenedUnreadable, SeverityWarning, "has a record that cannot be read: %s", is.corrupt)
	case is.corrupt != "" || was.corrupt != "" && is.present:
		// What has become of it meanwhile is not known.
	case was.present && !is.present && was.emptied():
		t.tell(HappenedLeft, SeverityInfo, "left; nothing is placed there")
	case was.present && !is.present:
		t.tell(HappenedLost, SeverityWarning, "lost%s", placedThere(is.units))
	case !was.present && is.present && (is.known || was.known), was.present && is.present && was.session != is.session:
		t.tell(HappenedReturned, SeverityInfo, "is back%s", placedThere(is.units))
	case !was.present && is.present:
		t.tell(HappenedJoined, SeverityInfo, "joined")
	case was.present && silent(is) && !silent(was):
		t.tell(HappenedSilent, SeverityWarning, "is silent, its fleetd is not there: what runs there runs on, and it is given nothing new")
	case is.present && silent(was) && !silent(is):
		t.tell(HappenedReturned, SeverityInfo, "is no longer silent: its fleetd serves it again")
	case was.known && !is.known && !is.present:
		t.tell(HappenedForgotten, SeverityInfo, "forgotten")
	}
}

// emptied tells whether a machine that goes now was told to, and nothing was left there.
func (p machinePast) emptied() bool { return p.drain != nil && p.units == 0 }

// asked tells what operators have asked of the machine, and what came of it.
func (t *machineTeller) asked(was, is machinePast) {
	switch {
	case is.cordoned && !was.cordoned:
		t.tell(HappenedCordoned, SeverityInfo, "cordoned: it is given no further units")
	case was.cordoned && !is.cordoned:
		t.tell(HappenedUncordoned, SeverityInfo, "uncordoned")
	}
	switch {
	case is.drain != nil && was.drain == nil:
		t.tell(HappenedDraining, SeverityInfo, "is drained: its units go elsewhere%s", is.then())
	case is.drain == nil && was.drain != nil && is.present:
		t.tell(HappenedUndrained, SeverityInfo, "is drained no longer")
	case is.drain != nil && was.drain != nil && len(was.drain.Moving) > 0 && len(is.drain.Moving) == 0 && is.present:
		if n := len(is.drain.Stuck); n > 0 {
			t.tell(HappenedDrained, SeverityWarning, "has nothing left that can leave; %d cannot", n)
			return
		}
		t.tell(HappenedDrained, SeverityInfo, "is empty: all that can leave have left it")
	}
}

// then is what comes after a drain.
func (p machinePast) then() string {
	switch {
	case p.drain.Reboot:
		return "; then it is rebooted"
	case p.leaving:
		return ", as its host is being shut down"
	}
	return ""
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
