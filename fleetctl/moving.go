package main

import (
	"cmp"
	"fmt"
	"slices"

	"fleet/api"
	"fleet/cluster"
)

const goalMoved goal = "moved"

// moving is what a request to move a unit knows besides.
type moving struct {
	from, to cluster.MachineID // to is empty if any other machine will do
	launched bool              // the unit is wanted launched
	ran      bool              // it ran where it was
}

func newMoving(u api.Unit, to cluster.MachineID) *moving {
	m := &moving{to: to, launched: u.DesiredState == cluster.Launched}
	for _, c := range live(u) {
		m.from = c.MachineID
		m.ran = m.ran || c.Active == "active"
	}
	return m
}

// judgeMoved tells how a request to move a unit ended. The engine has the other machine take it
// over when it is up there, or, of a unit that stops first, when it is gone where it was; or it
// refuses, says why and leaves the unit where it is.
func (r *request) judgeMoved(u api.Unit, phase cluster.Phase, message string) (verdict, bool) {
	switch {
	case u.DesiredState == cluster.Inactive:
		return r.superseded("somebody else asked for %s meanwhile", u.DesiredState), true
	case u.Move > r.generation:
		return r.superseded("somebody else asked for another move meanwhile"), true
	case phase == cluster.Nowhere:
		return verdict{exitNowhere, fmt.Sprintf("Unit %s has no machine: %s; it will be given one as soon as one fits", r.unit, message)}, true
	}
	copies := live(u)
	if len(copies) == 0 {
		return verdict{}, false
	}
	c := copies[0]
	if !r.move.reached(c.MachineID) {
		return r.judgeStaying(u, c, phase, message)
	}
	switch phase {
	case cluster.Failed:
		return r.failed(u, message), true
	case cluster.Done:
		return r.judgeArrived(u, c), true
	}
	return verdict{}, false
}

// reached tells whether a machine is one that the unit was to be moved to.
func (m *moving) reached(id cluster.MachineID) bool {
	if m.to != "" {
		return id == m.to
	}
	return id != m.from
}

// judgeStaying is for a unit that is ordered elsewhere than it is to go.
func (r *request) judgeStaying(u api.Unit, c api.Copy, phase cluster.Phase, message string) (verdict, bool) {
	refused := c.Move >= r.generation
	underWay := slices.ContainsFunc(u.Copies, func(c api.Copy) bool { return c.Takes != "" })
	if !refused && (phase != cluster.Failed || underWay) {
		return verdict{}, false
	}
	why := ""
	switch {
	case u.Pending != nil:
		why = u.Pending.Message
	case refused:
		why = c.Reason
	default:
		why = inFull(message, u.Copies)
	}
	line := fmt.Sprintf("Unit %s stays on %s: %s", r.unit, place(c.MachineID, c.Address, false), cmp.Or(why, "the cluster does not say why"))
	return verdict{exitRefused, line}, true
}

// judgeArrived demands that what ran before runs again: a request to move is not
// carried out well if systemd was content to do nothing.
func (r *request) judgeArrived(u api.Unit, c api.Copy) verdict {
	if message, died := restarting(u); died && r.move.launched {
		return r.failed(u, message)
	}
	on := place(c.MachineID, c.Address, false)
	if r.move.launched && r.move.ran && c.Active != "active" {
		why := "it is " + cmp.Or(c.Active, "in no state that is known")
		if c.Skipped {
			why = "a condition in its file is not met there"
		}
		return verdict{exitFailed, fmt.Sprintf("Unit %s moved to %s, but does not run there: %s", r.unit, on, why)}
	}
	return verdict{exitOK, fmt.Sprintf("Unit %s moved to %s", r.unit, on)}
}
