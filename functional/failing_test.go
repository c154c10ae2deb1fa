//go:build functional

package functional

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// needsIt fails where a file is missing: at once, or after systemd has restarted it as often as it does.
const (
	needsIt   = "[Service]\nExecStart=/bin/sh -c 'read x </run/ingredient && exec sleep infinity'\n"
	restarted = "[Unit]\nStartLimitBurst=3\n" + needsIt + "Restart=on-failure\nRestartSec=200ms\n"
	elsewhere = "[X-Fleet]\nReschedule=on-failure\nMachineMetadata=disk=ssd\n"
)

func TestAUnitThatFailsOnOneMachineRunsOnAnother(t *testing.T) {
	w := shared(t)
	hosts := []*testbed.Host{w.host(1), w.host(3)} // those with an SSD
	slices.SortFunc(hosts, func(a, b *testbed.Host) int { return cmp.Compare(a.MachineID, b.MachineID) })
	bad, good := hosts[0], hosts[1]
	w.sh(good, "echo salt >/run/ingredient")
	t.Cleanup(func() { w.sh(good, "rm -f /run/ingredient") })

	// Each in its turn, so that the first machine that is chosen is known.
	for _, text := range []string{needsIt, restarted} {
		const name = unit.Name("needs.service")
		began := time.Now()
		w.put(name, text+elsewhere, cluster.Launched)
		failedOn := "failed on " + idOf(bad).Short()
		w.await(soon, name, "it has failed on the first machine", func(u api.Unit) bool {
			return u.Pending != nil && u.Pending.Waiting && strings.HasPrefix(u.Pending.Message, failedOn)
		})
		if out, _ := w.fleetctl("status", string(name)); !strings.Contains(out, failedOn) || !strings.Contains(out, "tried again at") {
			t.Errorf("status does not tell that it has failed:\n%s", out)
		}
		// Another leader goes by what this one has recorded.
		w.exec(w.engineLeader(), "systemctl", "restart", "fleetd.service")
		w.await(soon+10*time.Second, name, "it runs on the other", runsOn(good))
		if took := time.Since(began); took < 10*time.Second {
			t.Errorf("%s was tried again after %s", name, took)
		}
		out := w.mustFleetctl("explain", string(name))
		if !strings.Contains(out, "It has failed once:") || !strings.Contains(out, "has failed on "+idOf(bad).Short()) {
			t.Errorf("%s: it is explained:\n%s", name, out)
		}
		w.unchanged(2*time.Second, name)
		w.destroy(name)
		w.await(soon, name, "it is gone", gone)
	}
}

func TestAUnitThatFailsStaysUnlessItSaysOtherwise(t *testing.T) {
	w := shared(t)
	w.put("stays.service", needsIt, cluster.Launched)
	u := w.await(soon, "stays.service", "it has failed", failed)
	w.unchanged(2*time.Second, "stays.service")
	if out, code := w.fleetctl("status", "stays.service"); code != 4 || !strings.Contains(out, "failed (result exit-code)") {
		t.Errorf("status ends with %d:\n%s", code, out)
	}
	if now := w.unit("stays.service"); len(now.Copies) != 1 || now.Copies[0].MachineID != u.Copies[0].MachineID {
		t.Errorf("it has not stayed where it failed: %+v", now.Copies)
	}
}
