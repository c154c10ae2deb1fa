//go:build functional

package functional

import (
	"fmt"
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
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

// fleetd cannot write down its session, as when /run is full; here a directory is in the way. The fence does not know
// the session then, and guards nothing: what is bound to it stays down, everything else runs on. When there is a way the file is
// written, though nobody asks.
func TestASessionThatCannotBeWrittenDownIsGuardedAsSoonAsItIs(t *testing.T) {
	w := shared(t)
	h := w.host(2)
	const once, plain unit.Name = "unwritten.service", "beside.service"
	w.launch(once, unending+"[X-Fleet]\nAtMostOnce=yes\nMachineID="+h.MachineID+"\n")
	w.launch(plain, onlyOn("MachineID="+h.MachineID))
	before := w.life(h, plain)
	w.exec(h, "mkdir", "/run/fleet/session.json.next")
	defer w.sh(h, "rmdir /run/fleet/session.json.next 2>/dev/null || true")

	// Its next session is one that the file does not have.
	if err := h.Cut(w.ctx(), testbed.Drop); err != nil {
		t.Fatal(err)
	}
	w.awaitState(2*soon, h, cluster.StateLost)
	if err := h.Heal(w.ctx()); err != nil {
		t.Fatal(err)
	}
	w.awaitState(2*soon, h, cluster.StateReady)
	w.eventually(soon, "it has no fence", func() (bool, string) {
		m, err := w.machine(h)
		return err == nil && m.Fence == nil, fmt.Sprintf("%+v, %v", m.Fence, err)
	})
	if state := w.show(h, once, "ActiveState"); state == "active" {
		t.Error("without a fence that guards its session it runs")
	}
	w.exec(h, "rmdir", "/run/fleet/session.json.next")
	w.await(3*soon, once, "it runs again", runsOn(h))
	if now := w.life(h, plain); now != before {
		t.Errorf("beside it %s was %q and is %q", plain, before, now)
	}
}
