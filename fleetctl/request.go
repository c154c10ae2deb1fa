package main

import (
	"fmt"
	"strings"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// goal is what a request is to reach, in the word that reports it.
type goal string

const (
	goalInactive  goal = "inactive"
	goalLoaded    goal = "loaded"
	goalLaunched  goal = "launched"
	goalRestarted goal = "restarted"
	goalGone      goal = "gone"
)

// desired is the state that a unit is wanted in while the goal stands.
func (g goal) desired() cluster.DesiredState {
	if g == goalRestarted {
		return cluster.Launched
	}
	return cluster.DesiredState(g)
}

// request is something asked of one unit. Its methods judge what the cluster says of the unit afterwards.
type request struct {
	unit       unit.Name
	goal       goal
	generation int64 // of the unit that expresses it
	global     bool
	stops      bool    // it is not to run, wherever it is
	move       *moving // of goalMoved
	milestone  *milestone
}

// starts tells whether the unit is to run when the request has been carried out.
func (r *request) starts() bool {
	return r.goal == goalLaunched || r.goal == goalRestarted || r.goal == goalMoved && r.move.launched
}

// expectsNone tells whether it means something to the request that there is no such unit. Before a
// request that submits one, it does not.
func (r *request) expectsNone() bool { return r.goal == goalGone || r.milestone != nil }

// verdict is how a request ended.
type verdict struct {
	code exitCode
	line string // for people
}

// judge tells how the request ended if u is the newest that is known of its
// unit; ok is false while it has not ended. A unit that was absent before the
// request must not be given to it.
func (r *request) judge(u api.Unit) (v verdict, ok bool) {
	if r.milestone != nil {
		return r.milestone.judge(u)
	}
	phase, message := outcome(u)
	switch {
	case r.goal == goalGone:
		return r.judgeGone(u, phase, message)
	case u.Absent:
		return r.superseded("somebody else destroyed the unit"), true
	case u.Generation < r.generation:
		return verdict{}, false // from before the request
	case r.goal == goalMoved:
		return r.judgeMoved(u, phase, message)
	}
	if u.DesiredState != "" && u.DesiredState != r.goal.desired() {
		return r.superseded("somebody else asked for %s meanwhile", u.DesiredState), true
	}
	switch phase {
	case cluster.Done:
		if message, died := restarting(u); died && r.starts() {
			return r.failed(u, message), true
		}
		line := fmt.Sprintf("Unit %s %s%s", r.unit, r.goal, where(u))
		if r.starts() {
			line += skipped(u)
		}
		if r.goal == goalInactive || r.stops {
			line += exceptLost(u)
		}
		return verdict{exitOK, line}, true
	case cluster.Failed:
		if r.stops && !runs(u) { // systemd cannot load it, for instance
			return verdict{exitOK, fmt.Sprintf("Unit %s is not running: %s%s", r.unit, inFull(message, u.Copies), exceptLost(u))}, true
		}
		return r.failed(u, message), true
	case cluster.Nowhere:
		if r.stops && len(live(u)) == 0 {
			return verdict{exitOK, fmt.Sprintf("Unit %s is not running: it is on no machine%s", r.unit, exceptLost(u))}, true
		}
		return verdict{exitNowhere, fmt.Sprintf("Unit %s has no machine: %s; it will be %s as soon as one fits", r.unit, message, r.goal)}, true
	}
	return verdict{}, false
}

func (r *request) judgeGone(u api.Unit, phase cluster.Phase, message string) (verdict, bool) {
	switch {
	case !u.Absent && r.generation > 0 && u.Generation > r.generation:
		return r.superseded("somebody else submitted it anew"), true
	case !u.Absent:
		return verdict{}, false
	case phase == cluster.Done:
		return verdict{exitOK, fmt.Sprintf("Destroyed %s%s", r.unit, exceptLost(u))}, true
	case phase == cluster.Failed:
		return r.failed(u, message), true
	}
	return verdict{}, false
}

func (r *request) superseded(format string, args ...any) verdict {
	return verdict{exitRefused, fmt.Sprintf("Unit %s is not %s: %s", r.unit, r.goal, fmt.Sprintf(format, args...))}
}

func (r *request) failed(u api.Unit, message string) verdict {
	text := fmt.Sprintf("Unit %s failed", r.unit)
	if !strings.HasPrefix(message, "on ") {
		text += ":"
	}
	return verdict{exitFailed, text + " " + inFull(message, u.Copies) + logs(u.Copies)}
}

// restarting tells whether a unit that has been started has ended since and
// waits for systemd to start it again. To the cluster such a unit runs; to who
// has just started it, it failed.
func restarting(u api.Unit) (message string, yes bool) {
	for _, c := range u.Copies {
		if strings.HasPrefix(c.Sub, "auto-restart") {
			return fmt.Sprintf("on %s: ended (result %s), and systemd is restarting it", c.MachineID.Short(), c.Result), true
		}
	}
	return "", false
}

// skipped admits that systemd was content to do nothing.
func skipped(u api.Unit) string {
	var on []string
	copies := live(u)
	for _, c := range copies {
		if c.Skipped {
			on = append(on, place(c.MachineID, c.Address, false))
		}
	}
	switch {
	case len(on) == 0:
		return ""
	case len(copies) == 1:
		return ", but is not running: a condition in its file is not met there"
	}
	return fmt.Sprintf(", but is not running on %s: a condition in its file is not met there", strings.Join(on, ", "))
}

// grace is how long a service that was started may take to die of a mistake
// in its command line or configuration and still have the start itself be reported as failed.
const grace = 250 * time.Millisecond

// fresh is how much longer a unit that was started is to be watched. To systemd
// a Type=simple service is started as soon as it is forked, so its start
// job says nothing about whether the program can run at all. The machine's own
// clock tells what part of the grace was over when it looked.
func fresh(u api.Unit) time.Duration {
	var longest time.Duration
	for _, c := range u.Copies {
		if c.Active != "active" || c.Sub != "running" {
			continue
		}
		lived := max(0, c.ObservedAt.Sub(c.StateSince))
		longest = max(longest, grace-lived)
	}
	return longest
}

func outcome(u api.Unit) (cluster.Phase, string) {
	if u.Outcome == nil {
		return cluster.Working, ""
	}
	return u.Outcome.Phase, u.Outcome.Message
}

// live are the copies on machines that are there and are ordered to have the unit.
func live(u api.Unit) []api.Copy {
	var copies []api.Copy
	for _, c := range u.Copies {
		if c.Ordered && c.Presence == cluster.Present && c.Takes == "" {
			copies = append(copies, c)
		}
	}
	return copies
}

// where completes "Unit NAME launched" with the machine, or the number of them.
func where(u api.Unit) string {
	copies := live(u)
	switch len(copies) {
	case 0:
		return ""
	case 1:
		return " on " + place(copies[0].MachineID, copies[0].Address, false)
	}
	return fmt.Sprintf(" on %d machines", len(copies))
}

// exceptLost admits what is not known of a unit that is on no machine any more.
func exceptLost(u api.Unit) string {
	var lost []string
	for _, c := range u.Copies {
		if c.Presence == cluster.Lost {
			lost = append(lost, place(c.MachineID, c.Address, false))
		}
	}
	if len(lost) == 0 {
		return ""
	}
	return fmt.Sprintf(" (it may still be on %s, which cannot be reached)", strings.Join(lost, ", "))
}

// place is a machine as fleet 1 showed it: short id and address.
func place(id cluster.MachineID, address string, full bool) string {
	text := id.Short() + "..."
	if full {
		text = string(id)
	}
	if address != "" {
		text += "/" + address
	}
	return text
}

// inFull gives the machines in a message of the cluster their addresses.
func inFull(message string, copies []api.Copy) string {
	for _, c := range copies {
		on := "on " + c.MachineID.Short()
		if rest, found := strings.CutPrefix(message, on); found {
			return "on " + place(c.MachineID, c.Address, false) + rest
		}
		if before, found := strings.CutSuffix(message, on); found {
			return before + "on " + place(c.MachineID, c.Address, false)
		}
	}
	return message
}

// logs are the last lines that failed copies wrote, indented.
func logs(copies []api.Copy) string {
	var b strings.Builder
	for _, c := range copies {
		if len(c.Log) > 0 && len(copies) > 1 {
			fmt.Fprintf(&b, "\n  on %s:", place(c.MachineID, c.Address, false))
		}
		for _, line := range c.Log {
			b.WriteString("\n    " + line)
		}
	}
	return b.String()
}
