package main

import (
	"fmt"
	"time"

	"fleet/api"
	"fleet/cluster"
)

// machineStates are all that machineState returns.
var machineStates = []string{
	string(cluster.StateReady), string(cluster.StateCordoned), string(cluster.StateDraining), string(cluster.StateReturned),
	string(cluster.StateSilent), string(cluster.StateLost), string(cluster.StateLeft), string(cluster.StateUnknown),
}

const machineStateHelp = `  ready     it may be given units
  cordoned  it is given no further units; what is there stays
  draining  it is given no further units, and what is there goes elsewhere
  returned  it is back, and has not been told yet what to run
  silent    it is there, but its fleetd is not: what runs there runs on, and it is given nothing new
  lost      it has not been heard of: what runs there is not known
  left      it has gone after it was drained, or shut down with nothing on it
  unknown   its record cannot be read`

// machineState is what an operator has to know of a machine before all else. A fleetd that does not say it knows
// machines that are present alone.
func machineState(m api.Machine) string {
	switch {
	case m.State != "":
		return string(m.State)
	case m.Error != "":
		return string(cluster.StateUnknown)
	case m.Cordoned:
		return string(cluster.StateCordoned)
	}
	return string(cluster.StateReady)
}

func machineStyle(m api.Machine) style {
	switch cluster.MachineState(machineState(m)) {
	case cluster.StateReady:
		return green
	case cluster.StateUnknown, cluster.StateLost:
		return red
	case cluster.StateLeft:
		return faint
	}
	return yellow
}

// inStateSince is since when a machine is in its state: zero if that is not known.
func inStateSince(m api.Machine) time.Time {
	if m.State == "" {
		return m.Since
	}
	return m.StateSince
}

// isAway tells whether a machine is known and not present.
func isAway(m api.Machine) bool { return m.State == cluster.StateLost || m.State == cluster.StateLeft }

// takesUnits tells whether a machine may be given units, now or as soon as the engine has looked at it.
func takesUnits(m api.Machine) bool {
	state := cluster.MachineState(machineState(m))
	return state == cluster.StateReady || state == cluster.StateReturned && !m.Cordoned && m.Drain == nil
}

// sinceWords completes "is lost" with since when, if that is known.
func sinceWords(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf(" since %s ago", ago(now.Sub(t)))
}

// fenceWords are the times of a fence, in seconds, as the inequality that they have to fulfil.
func fenceWords(f *api.Fence) string {
	switch {
	case f == nil:
		return ""
	case f.Error != "":
		return f.Error
	}
	return fmt.Sprintf("%gs+%gs+%gs<%gs", f.Renewal, f.Watchdog, f.Kill, f.Lease)
}

// nameOf is a machine in a sentence.
func nameOf(m api.Machine) string { return "Machine " + place(m.ID, m.PrimaryIP, false) }
