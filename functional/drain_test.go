//go:build functional

package functional

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/functional/testbed"
	"fleet/unit"
)

// slowly is a unit that says itself when it is up, a second after it was started.
const slowly = `[Service]
Type=notify
NotifyAccess=all
ExecStartPre=/bin/mkdir -p /var/stamps
ExecStart=/bin/sh -c 'sleep 1; echo start $$(date +%%s.%%N) >>/var/stamps/%n; systemd-notify --ready; exec sleep infinity'
ExecStopPost=/bin/sh -c 'echo stop $$(date +%%s.%%N) >>/var/stamps/%n'
`

// drain has hosts drained until the function that it returns is called, or the test ends.
func (w *world) drain(h *testbed.Host) (undrain func()) {
	w.t.Helper()
	undrain = func() { w.mustFleetctl("undrain", h.MachineID) }
	w.t.Cleanup(func() {
		out, err := w.FleetctlCommand(context.Background(), h, "undrain", h.MachineID).CombinedOutput()
		if err != nil {
			w.t.Errorf("undrain: %v\n%s", err, out)
		}
	})
	return undrain
}

// Every unit of a host that is drained runs elsewhere before it stops there, or stops there before it runs elsewhere if it
// says so; what cannot leave runs on, as the process that it is, and is named.
func TestADrainedHostsUnitsStartElsewhereBeforeTheyStopThere(t *testing.T) {
	w := shared(t)
	h := w.host(2)
	first := []unit.Name{"slow.service", "lead.service", "tail.service", "plain.service"}
	w.mayRunTwice("it starts elsewhere before it stops here", first...)
	uncordon := w.cordon(w.host(1), w.host(3))
	files := map[unit.Name]string{
		"slow.service": slowly, "lead.service": slowly, "plain.service": stamped,
		"tail.service":   stamped + "[X-Fleet]\nMachineOf=lead.service\n",
		"hasty.service":  stamped + "[X-Fleet]\nHandOver=stop-first\n",
		"pinned.service": stamped + "[X-Fleet]\nMachineID=" + h.MachineID + "\n",
		"many@1.service": stamped + "[X-Fleet]\nHandOver=stop-first\n",
		"many@2.service": stamped + "[X-Fleet]\nHandOver=stop-first\n",
		"many@3.service": stamped + "[X-Fleet]\nHandOver=stop-first\n",
	}
	hosts := w.launchAll(files)
	for name, on := range hosts {
		if on != h {
			t.Fatalf("%s is on %s", name, on.Name)
		}
	}
	pinned := w.life(h, "pinned.service")
	uncordon()
	undrain := w.drain(h)

	began := time.Now()
	out, code := w.fleetctl("drain", h.MachineID)
	t.Logf("drained within %s:\n%s", time.Since(began).Round(time.Millisecond), out)
	if code != 5 || !strings.Contains(out, "pinned.service") || !strings.Contains(out, "MachineID") {
		t.Errorf("with a unit that cannot leave: exit code %d", code)
	}
	if now := w.life(h, "pinned.service"); now != pinned {
		t.Errorf("what cannot leave was %s and is %s", pinned, now)
	}
	for name := range files {
		if name != "pinned.service" {
			w.await(soon, name, "it runs elsewhere", runsOff(h))
		}
	}
	for _, name := range first {
		if a, b := w.twoSpans(name); !b.start.Before(a.end) {
			t.Errorf("%s stopped before it ran elsewhere: %s, %s", name, a, b)
		}
	}
	many := map[unit.Name][2]span{}
	for _, name := range []unit.Name{"hasty.service", "many@1.service", "many@2.service", "many@3.service"} {
		a, b := w.twoSpans(name)
		if b.start.Before(a.end) {
			t.Errorf("%s ran elsewhere before it stopped: %s, %s", name, a, b)
		}
		many[name] = [2]span{a, b}
	}
	delete(many, "hasty.service")
	for one, x := range many {
		for other, y := range many {
			if one != other && x[0].end.Before(y[1].start) && y[0].end.Before(x[1].start) {
				t.Errorf("%s and %s were down at one time: %v, %v", one, other, x, y)
			}
		}
	}
	if a, b := w.unit("lead.service"), w.unit("tail.service"); a.MachineID != b.MachineID {
		t.Errorf("units that are tied to each other are on %s and %s", a.MachineID, b.MachineID)
	}
	undrain()
	if out, code := w.fleetctl("machine", h.MachineID); code != 0 || strings.Contains(out, "draining") {
		t.Errorf("drained no more: exit code %d\n%s", code, out)
	}
}

// twoSpans are the two runs of a unit.
func (w *world) twoSpans(name unit.Name) (a, b span) {
	w.t.Helper()
	var all []span
	w.eventually(soon, fmt.Sprintf("%s has stopped where it was", name), func() (bool, string) {
		all = w.spans(name)
		return len(all) == 2 && !all[0].end.IsZero(), fmt.Sprint(all)
	})
	return all[0], all[1]
}

// A unit that fails wherever it goes stays where it runs, whoever leads meanwhile.
func TestADrainOfAUnitThatFailsElsewhereKeepsItRunning(t *testing.T) {
	w := shared(t)
	h := w.host(2)
	const name = unit.Name("homesick.service")
	w.mayRunTwice("it starts elsewhere before it stops here", name)
	uncordon := w.cordon(w.host(1), w.host(3))
	w.launch(name, fmt.Sprintf("[Service]\nExecStart=/bin/sh -c '[ $$(cat /etc/machine-id) = %s ] || exit 3; exec sleep infinity'\nType=exec\n", h.MachineID)+
		"ExecStartPre=/bin/sh -c '[ $$(cat /etc/machine-id) = "+h.MachineID+" ]'\n")
	life := w.life(h, name)
	uncordon()
	undrain := w.drain(h)
	w.mustFleetctl("drain", "--no-block", h.MachineID)
	w.eventually(soon, "it has failed on both of the others", func() (bool, string) {
		p := w.unit(name).Pending
		return p != nil && strings.Contains(p.Message, w.host(1).MachineID[:8]) && strings.Contains(p.Message, w.host(3).MachineID[:8]), fmt.Sprintf("%+v", p)
	})
	if now := w.life(h, name); now != life {
		t.Errorf("it was %s and is %s", life, now)
	}
	undrain()
	w.eventually(soon, "nothing is said of it any more", func() (bool, string) {
		u := w.unit(name)
		return u.Pending == nil && len(u.Copies) == 1, fmt.Sprintf("%+v", u)
	})
	if now := w.life(h, name); now != life {
		t.Errorf("it was %s and is %s", life, now)
	}
}
