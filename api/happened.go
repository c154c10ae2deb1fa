package api

import (
	"cmp"
	"fmt"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// unitPast is a unit as it was last seen. Of a machine that is lost it still has
// what that machine said last, and at which boot, so that it is known what is new when it is back.
type unitPast struct {
	cluster.Status

	// halfway has the last run of a unit, by machine, that was seen to leave it and not seen to end: it may stop, or run anew.
	halfway map[cluster.MachineID]unit.State
}

// unitHappened tells what has happened to a unit between two moments; presence is that of machines now.
func unitHappened(was, is unitPast, presence func(cluster.MachineID) cluster.Presence) []Happening {
	t := teller{unit: is.Name}
	t.asked(was.Status, is.Status)
	copies := pairs(was.Copies, is.Copies)
	for _, pair := range copies {
		t.ordered(was, is, pair)
	}
	t.pending(was.Status, is.Status)
	for _, pair := range copies {
		if pair.is.Presence == "" { // there is no copy any more
			pair.is.Presence = presence(pair.is.Machine)
		}
		pair.ran = was.running(pair.was)
		t.reported(pair)
	}
	return t.told
}

// after is the past to go on with when a unit's status is now.
func (p unitPast) after(now cluster.Status) unitPast {
	now.Copies = slices.Clone(now.Copies)
	for i, c := range now.Copies {
		old := copyOn(p.Copies, c.Machine)
		if c.Report == nil && c.Presence != cluster.Present && !(pair{was: old, is: c}).rebooted() {
			now.Copies[i].Report, now.Copies[i].Boot = old.Report, cmp.Or(c.Boot, old.Boot)
		}
	}
	is := unitPast{Status: now}
	for _, c := range now.Copies {
		ran := p.running(copyOn(p.Copies, c.Machine))
		if ran == nil || c.Report == nil || up(c.Report.State) || !c.Report.Running() {
			continue
		}
		if is.halfway == nil {
			is.halfway = make(map[cluster.MachineID]unit.State)
		}
		is.halfway[c.Machine] = *ran
	}
	return is
}

// running is the run of a copy of this past that is not known to have ended, nil if there is none.
func (p unitPast) running(c cluster.Copy) *unit.State {
	if c.Report != nil && up(c.Report.State) {
		return &c.Report.State
	}
	if ran, ok := p.halfway[c.Machine]; ok {
		return &ran
	}
	return nil
}

// pair is a copy before and after; one of them may be zero but for the machine.
type pair struct {
	was, is cluster.Copy
	ran     *unit.State // the last run there that is not known to have ended, nil if there is none
}

// pairs matches copies by machine, in the order of machines.
func pairs(was, is []cluster.Copy) []pair {
	var all []pair
	for _, c := range is {
		all = append(all, pair{was: copyOn(was, c.Machine), is: c})
	}
	for _, c := range was {
		if now := copyOn(is, c.Machine); now.Presence == "" {
			all = append(all, pair{was: c, is: now})
		}
	}
	slices.SortFunc(all, func(a, b pair) int { return cmp.Compare(a.is.Machine, b.is.Machine) })
	return all
}

func copyOn(copies []cluster.Copy, id cluster.MachineID) cluster.Copy {
	for _, c := range copies {
		if c.Machine == id {
			return c
		}
	}
	return cluster.Copy{Machine: id}
}

// rebooted tells whether nothing that ran on the machine before can run there now.
func (p pair) rebooted() bool { return p.was.Boot != "" && p.is.Boot != "" && p.was.Boot != p.is.Boot }

// on names the machine: "on 1f0c2d3e (10.0.0.2)".
func (p pair) on() string {
	return "on " + machineWords(p.is.Machine, cmp.Or(p.is.Address, p.was.Address))
}

func machineWords(id cluster.MachineID, address string) string {
	if address == "" {
		return id.Short()
	}
	return id.Short() + " (" + address + ")"
}

// teller collects what has happened to one unit.
type teller struct {
	unit unit.Name
	told []Happening
}

func (t *teller) tell(kind HappeningType, severity Severity, id cluster.MachineID, format string, args ...any) {
	message := fmt.Sprintf("%s ", t.unit) + fmt.Sprintf(format, args...)
	t.told = append(t.told, Happening{Type: kind, Unit: t.unit, MachineID: id, Message: message, Severity: severity})
}

func (t *teller) info(kind HappeningType, id cluster.MachineID, format string, args ...any) {
	t.tell(kind, SeverityInfo, id, format, args...)
}

func (t *teller) warn(kind HappeningType, id cluster.MachineID, format string, args ...any) {
	t.tell(kind, SeverityWarning, id, format, args...)
}

// asked tells what users asked for.
func (t *teller) asked(was, is cluster.Status) {
	switch {
	case is.Corrupt != "" && is.Corrupt != was.Corrupt:
		t.warn(HappenedUnreadable, "", "has a record that cannot be read: %s", is.Corrupt)
	case is.Corrupt != "":
	case !was.Exists && is.Exists:
		t.info(HappenedSubmitted, "", "submitted, wanted %s", is.Unit.Desired)
	case was.Exists && !is.Exists:
		t.info(HappenedDestroyed, "", "destroyed")
	case was.Unit.Content != is.Unit.Content:
		t.info(HappenedReplaced, "", "has a new file, wanted %s", is.Unit.Desired)
	case was.Unit.Restart != is.Unit.Restart:
		t.info(HappenedRestarting, "", "is to be restarted")
	case was.Unit.Move != is.Unit.Move && is.Unit.MoveTo != "":
		t.info(HappenedMoving, is.Unit.MoveTo, "is to be moved to %s", is.Unit.MoveTo.Short())
	case was.Unit.Move != is.Unit.Move:
		t.info(HappenedMoving, "", "is to be moved to another machine")
	case was.Unit.Desired != is.Unit.Desired:
		t.info(HappenedWanted, "", "wanted %s, was wanted %s", is.Unit.Desired, was.Unit.Desired)
	case was.Unit.Generation != is.Unit.Generation:
		t.info(HappenedWanted, "", "wanted %s once more", is.Unit.Desired)
	}
}

// ordered tells what the engine decided about a unit and one machine.
func (t *teller) ordered(was, is unitPast, p pair) {
	switch {
	case p.was.Order == nil && p.is.Order != nil:
		from, why := t.leaves(was, is, p.is.Machine)
		if from == "" {
			t.info(HappenedPlaced, p.is.Machine, "placed %s%s", p.on(), because(p.is.Order.Reason))
			return
		}
		t.info(HappenedMoved, p.is.Machine, "placed %s in place of %s, which %s%s", p.on(), from.Short(), why, because(p.is.Order.Reason))
	case p.was.Order != nil && p.is.Order == nil:
		t.info(HappenedWithdrawn, p.is.Machine, "withdrawn from %s%s", machineWords(p.is.Machine, cmp.Or(p.is.Address, p.was.Address)), withdrawal(is.Status))
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

func withdrawal(is cluster.Status) string {
	switch {
	case !is.Exists:
		return ": it was destroyed"
	case is.Corrupt == "" && is.Unit.Desired == cluster.Inactive:
		return ": it is wanted inactive"
	}
	return ""
}

// leaves finds the machine that a unit of which there is one copy leaves for another one, and why.
func (t *teller) leaves(was, is unitPast, to cluster.MachineID) (from cluster.MachineID, why string) {
	if is.Unit.Global {
		return "", ""
	}
	for _, c := range was.Copies {
		now := copyOn(is.Copies, c.Machine)
		switch {
		case c.Machine == to || c.Order == nil:
		case now.Order == nil:
			return c.Machine, "has it no longer"
		case now.Presence == cluster.Lost:
			return c.Machine, "is lost"
		}
	}
	return "", ""
}

// pending tells why a unit has no machine, when that is news.
func (t *teller) pending(was, is cluster.Status) {
	if is.Pending == nil || was.Pending != nil && was.Pending.Waiting == is.Pending.Waiting && was.Pending.String() == is.Pending.String() {
		return
	}
	severity, state := SeverityWarning, "is on no machine"
	if is.Pending.Waiting {
		severity, state = SeverityInfo, "waits for a machine"
	}
	for _, c := range is.Copies {
		if c.Live() {
			state = "stays as it is on " + machineWords(c.Machine, c.Address)
		}
	}
	t.tell(HappenedPending, severity, "", "%s: %s", state, is.Pending)
}

// reported tells what one machine's systemd said.
func (t *teller) reported(p pair) {
	id, was, is := p.is.Machine, p.was.Report, p.is.Report
	if p.rebooted() {
		if was != nil && was.Running() {
			t.info(HappenedStopped, id, "ended %s when that machine rebooted", p.on())
		}
		p.was, p.ran, was = cluster.Copy{Machine: id, Presence: cluster.Present}, nil, nil
	}
	if is == nil {
		if was != nil && p.is.Order == nil && p.is.Presence != cluster.Lost {
			if up(was.State) {
				t.info(HappenedStopped, id, "stopped %s", p.on())
			}
			t.info(HappenedGone, id, "is no longer %s", p.on())
		}
		return
	}
	if was == nil {
		if p.was.Presence != "" && p.was.Presence != cluster.Present {
			return // what it was when the machine was lost is not known
		}
		was = &cluster.UnitReport{State: unit.State{Active: "inactive"}}
	}
	if is.Error != "" && is.Error != was.Error {
		t.warn(HappenedFailed, id, "cannot be brought to what is wanted %s: %s", p.on(), is.Error)
	}
	t.state(p, *was, *is)
}

// state tells of the changes of a unit's state that matter to people.
func (t *teller) state(p pair, was, is cluster.UnitReport) {
	id, again := p.is.Machine, was.InvocationID != is.InvocationID
	switch {
	case is.Active == "failed":
		if was.Active != "failed" || again {
			t.warn(HappenedFailed, id, "failed %s: %s", p.on(), result(is.State))
		}
	case is.Sub == "auto-restart":
		if was.Sub != is.Sub || was.Restarts != is.Restarts {
			t.warn(HappenedRestarting, id, "failed %s: %s; systemd restarts it", p.on(), result(is.State))
		}
	case up(is.State):
		t.runs(p, was, is)
	case is.Active == "inactive":
		t.down(p, was, is)
	}
}

// runs tells of a unit that runs. What leads from one run to the next is seen or not, be it a restart
// that was asked for or systemd's own.
func (t *teller) runs(p pair, was, is cluster.UnitReport) {
	before, id := was.State, p.is.Machine
	if p.ran != nil {
		before = *p.ran
	}
	again := before.InvocationID != is.InvocationID
	switch {
	case is.Restarts > before.Restarts:
		t.info(HappenedRestarted, id, "restarted %s by systemd, for the %s time", p.on(), ordinal(is.Restarts))
	case again && (p.ran != nil || was.Active == "deactivating"):
		t.info(HappenedRestarted, id, "restarted %s", p.on())
	case p.ran == nil:
		t.info(HappenedStarted, id, "started %s", p.on())
	}
}

// down tells of a unit that does not run and has not failed.
func (t *teller) down(p pair, was, is cluster.UnitReport) {
	id, again := p.is.Machine, was.InvocationID != is.InvocationID && is.InvocationID != ""
	switch {
	case is.Job != "" && is.Job != unit.JobDone && (is.Job != was.Job || is.Generation != was.Generation):
		t.warn(HappenedFailed, id, "was not started %s: systemd ended the job with %q", p.on(), is.Job)
	case is.Skipped && (!was.Skipped || is.Generation != was.Generation):
		t.info(HappenedStopped, id, "was not started %s: a condition in its file is not met", p.on())
	case up(was.State) || was.Active == "deactivating":
		t.info(HappenedStopped, id, "stopped %s", p.on())
	case was.Active == "failed":
	case p.is.Order != nil && p.is.Order.Desired == cluster.Launched && (again || was.Active == "activating"):
		t.info(HappenedStopped, id, "ran to its end %s", p.on())
	case was.Active == "activating":
		t.info(HappenedStopped, id, "stopped %s while it was starting", p.on())
	}
}

func up(s unit.State) bool {
	return s.Active == "active" || s.Active == "reloading" || s.Active == "refreshing"
}

// result says how a unit ended: "result exit-code, status 1".
func result(s unit.State) string {
	text := "result " + cmp.Or(s.Result, "unknown")
	switch {
	case s.Signaled:
		text += fmt.Sprintf(", signal %d", s.ExitStatus)
	case s.ExitStatus != 0:
		text += fmt.Sprintf(", status %d", s.ExitStatus)
	}
	return text
}

func ordinal(n uint32) string {
	suffix := "th"
	switch {
	case n%100 >= 11 && n%100 <= 13:
	case n%10 == 1:
		suffix = "st"
	case n%10 == 2:
		suffix = "nd"
	case n%10 == 3:
		suffix = "rd"
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
