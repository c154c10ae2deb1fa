package main

import (
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
)

// TestWhenAMoveHasEnded goes through what the cluster may say of a unit that was asked to move from A to B.
func TestWhenAMoveHasEnded(t *testing.T) {
	const a, b = cluster.MachineID("aaaaaaaa"), cluster.MachineID("bbbbbbbb")
	on := func(id cluster.MachineID, move int64, active string) []api.Copy {
		return []api.Copy{{MachineID: id, Presence: cluster.Present, Ordered: true, Move: move, Active: active, Reason: "as it was"}}
	}
	working, done, failed, nowhere := cluster.Working, cluster.Done, cluster.Failed, cluster.Nowhere
	for name, c := range map[string]struct {
		u       api.Unit
		phase   cluster.Phase
		message string
		to      cluster.MachineID
		code    exitCode
		line    string // empty: it has not ended
	}{
		"from before":      {u: api.Unit{Generation: 6, Copies: on(a, 0, "active")}, phase: done},
		"not looked at":    {u: api.Unit{Move: 7, Copies: on(a, 0, "active")}, phase: working},
		"new orders first": {u: api.Unit{Move: 7, Copies: on(a, 0, "active")}, phase: done},
		"being stopped":    {u: api.Unit{Move: 7, Copies: []api.Copy{{MachineID: a, Presence: cluster.Present, Active: "deactivating"}}}, phase: working},
		"being started":    {u: api.Unit{Move: 7, Copies: on(b, 7, "activating")}, phase: working},
		"arrived":          {u: api.Unit{Move: 7, Copies: on(b, 7, "active")}, phase: done, code: exitOK, line: "Unit web.service moved to bbbbbbbb..."},
		"anywhere":         {u: api.Unit{Move: 7, Copies: on("cccccccc", 7, "active")}, phase: done, to: "-", code: exitOK, line: "moved to cccccccc..."},
		"elsewhere":        {u: api.Unit{Move: 7, Copies: on("cccccccc", 7, "active")}, phase: done, code: exitRefused, line: "stays on cccccccc...: as it was"},
		"ended there":      {u: api.Unit{Move: 7, Copies: on(b, 7, "inactive")}, phase: done, code: exitFailed, line: "moved to bbbbbbbb..., but does not run there: it is inactive"},
		"failed there":     {u: api.Unit{Move: 7, Copies: on(b, 7, "failed")}, phase: failed, message: "on bbbbbbbb: failed", code: exitFailed, line: "Unit web.service failed on bbbbbbbb...: failed"},
		"refused":          {u: api.Unit{Move: 7, Copies: on(a, 7, "active")}, phase: done, code: exitRefused, line: "Unit web.service stays on aaaaaaaa...: as it was"},
		"refused with a reason": {
			u: api.Unit{Move: 7, Copies: on(a, 0, "active"), Pending: &api.Pending{Message: "no room"}}, phase: failed, message: "unchanged on aaaaaaaa: no room",
			code: exitRefused, line: "Unit web.service stays on aaaaaaaa...: no room",
		},
		"nowhere":   {u: api.Unit{Move: 7}, phase: nowhere, message: "it is full", code: exitNowhere, line: "has no machine: it is full"},
		"destroyed": {u: api.Unit{Absent: true}, phase: done, code: exitRefused, line: "somebody else destroyed the unit"},
		"stopped":   {u: api.Unit{Move: 7, DesiredState: cluster.Inactive}, phase: done, code: exitRefused, line: "somebody else asked for inactive"},
		"sent on":   {u: api.Unit{Generation: 8, Move: 8, Copies: on(a, 0, "active")}, phase: working, code: exitRefused, line: "somebody else asked for another move"},
	} {
		r := &request{unit: "web.service", goal: goalMoved, generation: 7, move: &moving{from: a, to: b, launched: true, ran: true}}
		if c.to == "-" {
			r.move.to = ""
		}
		if c.u.Generation == 0 {
			c.u.Generation = 7
		}
		c.u.Outcome = &api.Outcome{Phase: c.phase, Message: c.message}
		v, ended := r.judge(c.u)
		if ended != (c.line != "") || ended && (v.code != c.code || !strings.Contains(v.line, c.line)) {
			t.Errorf("%s: ended %v with %d %q, want %d %q", name, ended, v.code, v.line, c.code, c.line)
		}
	}
}

func TestMachineIsFoundByTheBeginningOfItsID(t *testing.T) {
	all := []api.Machine{{ID: "12340000aaaaaaaaaaaaaaaaaaaaaaaa"}, {ID: "12350000aaaaaaaaaaaaaaaaaaaaaaaa"}}
	for arg, want := range map[string]string{
		"1234":                             "12340000aaaaaaaaaaaaaaaaaaaaaaaa",
		"12350000.../10.0.0.1":             "12350000aaaaaaaaaaaaaaaaaaaaaaaa",
		"12350000AAAA":                     "12350000aaaaaaaaaaaaaaaaaaaaaaaa",
		"99990000aaaaaaaaaaaaaaaaaaaaaaaa": "99990000aaaaaaaaaaaaaaaaaaaaaaaa", // not present
		"123":                              "may be any of 2",
		"9999":                             "no machine that is present",
		"...":                              "expect an id",
	} {
		m, err := findMachine(all, arg)
		got := string(m.ID)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", arg, got, want)
		}
	}
}
