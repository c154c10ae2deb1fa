//go:build functional

package functional

import (
	"syscall"
	"testing"

	"fleet/functional/testbed"
)

// The negative control of everything that is said of AtMostOnce: without a watchdog, and without the fence's own deadline, a
// fence that hangs guards nothing, two copies run, and the witness sees them.
func TestWithoutItsWatchdogAHungFenceLetsAUnitRunTwice(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "control", Hosts: 4, TTL: fencedTTL})
	w.mayRunTwice("a machine whose fleetd and fence hang runs on, and nobody can see it", plainUnit)
	w.mayBreak("the fence has no watchdog", guarded...)
	home := w.host(4)
	dropIn := "/etc/systemd/system/" + fenceService + ".d/unchecked.conf"
	if err := home.WriteFile(dropIn, []byte("[Service]\nWatchdogSec=0\nEnvironment=FLEET_FENCE_UNCHECKED=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w.exec(home, "systemctl", "daemon-reload")
	w.exec(home, "systemctl", "restart", fenceService)
	h := w.settle(home)
	w.signal(home, fenceService, syscall.SIGSTOP)
	w.pauseFleetd(home)
	w.awaitAll(2*soon, guarded, "they run elsewhere", runsOff(home))
	h.unhurt("nothing guarded them", guarded...)
	for _, name := range guarded {
		if len(w.overlaps(name)) == 0 {
			t.Errorf("two copies of %s run, and the witness does not see it", name)
		}
	}
	w.signal(home, fenceService, syscall.SIGCONT)
	w.resumeFleetd(home)
	h.whole(2 * soon)
}
