package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// TestUnitsOfOneCommandWaitForEachOther: that announce goes with web, which is
// not placed, is no end while the same command is still to start web.
func TestUnitsOfOneCommandWaitForEachOther(t *testing.T) {
	const names = "MachineOf names web.service, which is not placed"
	is := func(name unit.Name, phase cluster.Phase, message string) api.Unit {
		return api.Unit{Name: name, DesiredState: cluster.Launched, Generation: 1, Outcome: &api.Outcome{Phase: phase, Message: message}}
	}
	without := func(u api.Unit, peer unit.Name) api.Unit {
		u.Pending = &api.Pending{Message: u.Outcome.Message, Peers: []unit.Name{peer}}
		return u
	}
	alone := without(is("announce.service", cluster.Nowhere, names), "web.service")
	for title, c := range map[string]struct {
		news []api.Unit
		code exitCode
		say  string
	}{
		"web gets a machine, and announce with it": {
			[]api.Unit{alone, is("web.service", cluster.Working, ""), is("announce.service", cluster.Done, ""), is("web.service", cluster.Done, "")},
			exitOK, "Unit announce.service launched\n",
		},
		"web gets none": {
			[]api.Unit{alone, is("web.service", cluster.Nowhere, "0 of 2 machines fit: 2 lack disk=ssd")},
			exitNowhere, "Unit announce.service has no machine: " + names,
		},
		"web takes too long": {
			[]api.Unit{alone, is("web.service", cluster.Working, "")},
			exitNowhere, "Unit announce.service has no machine: " + names,
		},
		"each waits for the other": {
			[]api.Unit{alone, without(is("web.service", cluster.Nowhere, "MachineOf names announce.service, which is not placed"), "announce.service")},
			exitNowhere, "Unit announce.service has no machine: " + names,
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			var out bytes.Buffer
			a := &app{stdout: &out, stderr: &out}
			follow := &watch{first: map[unit.Name]api.Unit{}, news: make(chan news)}
			go func() {
				for _, u := range c.news {
					follow.news <- news{unit: u}
				}
			}()
			x := newWaiter(a, follow, []*request{
				{unit: "announce.service", goal: goalLaunched, generation: 1},
				{unit: "web.service", goal: goalLaunched, generation: 1},
			})
			code := x.wait(t.Context(), time.Minute)
			if code != c.code || !strings.Contains(out.String(), c.say) {
				t.Errorf("%s: exit code %d, want %d; %s", title, code, c.code, &out)
			}
		})
	}
}

// TestStopOfWhatCannotBeLoaded: who wants a unit not to run has got that if it does not, whatever systemd says of its file.
func TestStopOfWhatCannotBeLoaded(t *testing.T) {
	u := api.Unit{
		Name: "web.service", DesiredState: cluster.Loaded, Generation: 1,
		Outcome: &api.Outcome{Phase: cluster.Failed, Message: "on 1111aaaa: systemd cannot load web.service: bad-setting"},
		Copies:  []api.Copy{{MachineID: "1111aaaa", Ordered: true, Presence: cluster.Present, Active: "inactive"}},
	}
	r := request{unit: "web.service", goal: goalLoaded, generation: 1, stops: true}
	v, ended := r.judge(u)
	if want := "Unit web.service is not running: on 1111aaaa...: systemd cannot load web.service: bad-setting"; !ended || v != (verdict{exitOK, want}) {
		t.Errorf("stop: %v %v, want %q", ended, v, want)
	}
	u.Copies[0].Active = "deactivating"
	if v, ended := r.judge(u); !ended || v.code != exitFailed {
		t.Errorf("stop of what still runs: %v %v, want a failure", ended, v)
	}
	u.Copies[0].Active = "inactive"
	r.stops = false
	if v, ended := r.judge(u); !ended || v.code != exitFailed {
		t.Errorf("load: %v %v, want a failure", ended, v)
	}
}
