//go:build functional

package functional

import (
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
)

// The file system of the unit files is full: what does not fit is told, what fits
// goes on, and when there is room again nobody has to ask a second time.
func TestAFullDiskIsToldAndDoesNotHurtOtherUnits(t *testing.T) {
	w := shared(t)
	h := w.host(2)
	here := "[X-Fleet]\nMachineID=" + h.MachineID + "\n"
	w.sh(h, "mkdir -p /run/fleet/units && mount -t tmpfs -o size=16k tmpfs /run/fleet/units")
	defer func() {
		w.clear()
		w.exec(h, "umount", "--lazy", "/run/fleet/units")
	}()
	w.launch("small.service", stamped+here)
	before := w.life(h, "small.service")

	large := sleeper + here + "# " + strings.Repeat("x", 40_000) + "\n"
	w.put("large.service", large, cluster.Launched)
	u := w.await(soon, "large.service", "the error is shown", failed)
	if message := u.Outcome.Message; !strings.Contains(message, "no space left") {
		t.Errorf("the error: %s", message)
	}
	w.mustFleetctl("restart", "small.service")
	if now := w.life(h, "small.service"); now == before {
		t.Error("beside a full disk a unit cannot be restarted")
	}
	if other := w.launch("elsewhere.service", "[Service]\nExecStart=/bin/sleep infinity\n"); other == h {
		t.Logf("also on %s", other.Name)
	}
	w.exec(h, "mount", "-o", "remount,size=1m", "/run/fleet/units")
	w.await(3*soon, "large.service", "it runs without being asked for again", func(u api.Unit) bool { return runsOn(h)(u) })
}
