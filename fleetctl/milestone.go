package main

import (
	"fmt"
	"slices"
	"strings"

	"fleet/api"
	"fleet/cluster"
)

// milestone is a state of a unit that somebody waits for, without asking for it.
type milestone struct {
	name      string
	help      string
	judge     func(api.Unit) (verdict, bool)
	onMachine bool // only a unit on a machine can be so
}

func milestones() []milestone {
	return []milestone{
		{"done", "what was last asked for is carried out: it is launched, loaded, inactive or gone, whichever it was", judgeDone, false},
		{"placed", "a machine has it", unlessDestroyed(judgePlaced), true},
		{"active", "systemd says that it is active on every machine that has it", unlessDestroyed(judgeActive), true},
		{"inactive", "it runs nowhere, and has not failed", unlessDestroyed(judgeInactive), false},
		{"failed", "systemd says on some machine that it has failed", unlessDestroyed(judgeFailed), true},
		{"gone", "there is no such unit, and no machine has anything left of it", judgeLeft, false},
	}
}

func findMilestone(name string) (*milestone, error) {
	all := milestones()
	if i := slices.IndexFunc(all, func(c milestone) bool { return c.name == name }); i >= 0 {
		return &all[i], nil
	}
	return nil, usage(fmt.Errorf("--for %q: expect one of %s", name, strings.Join(milestoneNames(), ", ")))
}

func milestoneNames() []string {
	var names []string
	for _, c := range milestones() {
		names = append(names, c.name)
	}
	return names
}

// judgeDone judges a unit as the command would that asked for its state.
func judgeDone(u api.Unit) (verdict, bool) {
	r := request{unit: u.Name, goal: goal(u.DesiredState)}
	if u.Absent {
		r.goal = goalGone
	}
	return r.judge(u)
}

func unlessDestroyed(judge func(api.Unit) (verdict, bool)) func(api.Unit) (verdict, bool) {
	return func(u api.Unit) (verdict, bool) {
		if u.Absent {
			return verdict{exitNotFound, fmt.Sprintf("Unit %s has been destroyed", u.Name)}, true
		}
		return judge(u)
	}
}

func judgePlaced(u api.Unit) (verdict, bool) {
	return verdict{exitOK, fmt.Sprintf("Unit %s placed%s", u.Name, where(u))}, len(live(u)) > 0
}

// judgeActive does not take a unit for active that is about to be restarted, replaced or moved.
func judgeActive(u api.Unit) (verdict, bool) {
	switch phase, message := outcome(u); phase {
	case cluster.Working:
		return verdict{}, false
	case cluster.Failed:
		return (&request{unit: u.Name}).failed(u, message), true
	}
	copies := live(u)
	passive := slices.ContainsFunc(copies, func(c api.Copy) bool { return c.Active != "active" && c.Active != "reloading" })
	return verdict{exitOK, fmt.Sprintf("Unit %s active%s", u.Name, where(u))}, len(copies) > 0 && !passive
}

// judgeInactive does not take a unit for inactive that is about to be started.
func judgeInactive(u api.Unit) (verdict, bool) {
	phase, message := outcome(u)
	switch {
	case phase == cluster.Working, runs(u):
		return verdict{}, false
	case phase == cluster.Failed || hasFailed(u):
		return (&request{unit: u.Name}).failed(u, message), true
	}
	return verdict{exitOK, fmt.Sprintf("Unit %s inactive%s", u.Name, exceptLost(u))}, true
}

func judgeFailed(u api.Unit) (verdict, bool) {
	if phase, _ := outcome(u); phase == cluster.Working || !hasFailed(u) {
		return verdict{}, false
	}
	var on []string
	for _, c := range u.Copies {
		if c.Active == "failed" {
			on = append(on, place(c.MachineID, c.Address, false))
		}
	}
	return verdict{exitOK, fmt.Sprintf("Unit %s failed on %s", u.Name, strings.Join(on, ", "))}, true
}

func judgeLeft(u api.Unit) (verdict, bool) {
	left := slices.ContainsFunc(u.Copies, func(c api.Copy) bool { return c.Presence == cluster.Present && (c.Active != "" || c.Ordered) })
	return verdict{exitOK, fmt.Sprintf("Unit %s gone%s", u.Name, exceptLost(u))}, u.Absent && !left
}

func hasFailed(u api.Unit) bool {
	return slices.ContainsFunc(u.Copies, func(c api.Copy) bool { return c.Active == "failed" })
}
