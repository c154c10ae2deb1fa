package main

import (
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// TestStatusSaysWhatIsKnownOfAnEnd: who did it, systemd does not say; that it was not the unit itself, it may.
func TestStatusSaysWhatIsKnownOfAnEnd(t *testing.T) {
	stopped := api.Copy{MachineID: firstMachine, Ordered: true, Presence: cluster.Present, Active: "inactive", Result: "success"}
	signaled := stopped
	signaled.Signaled, signaled.ExitStatus = true, 15
	running := stopped
	running.Active = "active"
	for _, c := range []struct {
		unit unit.Name
		copy api.Copy
		want string
	}{
		{"web.service", running, "as wanted"},
		{"web.service", stopped, "started, and has ended, by itself or by systemctl stop, on 1111aaaa"},
		{"web.service", signaled, "started, and was stopped (by signal 15), not by fleet, on 1111aaaa"},
		{"web.socket", stopped, "started, and was stopped, not by fleet, on 1111aaaa"},
		{"web.timer", stopped, "started, and has ended, by itself or by systemctl stop, on 1111aaaa"},
	} {
		u := api.Unit{Name: c.unit, DesiredState: cluster.Launched, Copies: []api.Copy{c.copy}}
		if got := doneWords(u); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s %s: %q, want %q", c.unit, c.copy.Active, got, c.want)
		}
	}
}
