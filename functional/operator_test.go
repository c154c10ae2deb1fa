//go:build functional

package functional

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// What operators say of a machine is done: it is labelled, cordoned, lost and back, drained a few units at a time, leaves, and is
// forgotten. One machine goes through all of it, one thing after the other.
func TestAMachineGoesThroughAllThatOperatorsSayOfIt(t *testing.T) {
	w := shared(t)
	h := w.host(3)
	for _, c := range []struct {
		what string
		test func(*world, *testbed.Host)
	}{
		{"its label has units come and go", labelled},
		{"cordoned it is given nothing", cordoned},
		{"lost, it is waited for as long as ReplaceAfter= says, and returns", waitedFor},
		{"drained, no more leave at a time than MaxUnavailable= allows", leftFewAtATime},
		{"switched off then, it has left, and is forgotten", leftAndForgotten},
	} {
		if !t.Run(c.what, func(t *testing.T) { c.test(w.in(t), h) }) {
			return
		}
	}
}

func labelled(w *world, h *testbed.Host) {
	const name unit.Name = "labelled.service"
	w.put(name, onlyOn("MachineMetadata=role=db"), cluster.Launched)
	w.await(soon, name, "no machine fits", nowhere)
	w.mustFleetctl("label", h.MachineID, "role=db")
	w.await(soon, name, "it runs where the label is", runsOn(h))
	if out := w.mustFleetctl("list-machines"); !strings.Contains(out, "role=db") {
		w.t.Errorf("the label is not listed:\n%s", out)
	}
	w.mustFleetctl("label", h.MachineID, "role-")
	w.await(soon, name, "without the label it does not", nowhere)
	w.destroy(name)
}

func cordoned(w *world, h *testbed.Host) {
	const name unit.Name = "pinned.service"
	uncordon := w.cordon(h)
	w.awaitState(soon, h, cluster.StateCordoned)
	w.put(name, onlyOn("MachineID="+h.MachineID), cluster.Launched)
	w.await(soon, name, "it is not placed", nowhere)
	uncordon()
	w.awaitState(soon, h, cluster.StateReady)
	w.await(soon, name, "it is placed", runsOn(h))
	w.destroy(name)
}

func waitedFor(w *world, h *testbed.Host) {
	const patient, hasty unit.Name = "patient.service", "hasty.service"
	const after = 8 * time.Second
	uncordon := w.cordon(w.others(h)...)
	w.launchAll(map[unit.Name]string{patient: onlyOn(fmt.Sprintf("ReplaceAfter=%ds", int(after.Seconds()))), hasty: sleeper})
	uncordon()
	lost := record.Now()
	w.powerLoss(h)
	w.await(soon, hasty, "what says nothing runs elsewhere", runsOff(h))
	w.awaitState(soon, h, cluster.StateLost)
	u := w.unit(patient)
	if took := record.Now().Sub(lost); took < after && (u.Pending == nil || !strings.Contains(u.Pending.Message, "ReplaceAfter")) {
		w.t.Errorf("%s after its machine was lost: %+v", took, u)
	}
	w.await(2*soon, patient, "after a while the other does too", runsOff(h))
	if took := w.latestRun(patient).Start.Sub(lost); took < after {
		w.t.Errorf("it was waited for only %s", took)
	}
	began := time.Now()
	w.powerOn(h)
	w.awaitState(2*soon, h, cluster.StateReady)
	w.eventually(soon, "it is told that it has returned", func() (bool, string) {
		var seen []api.HappeningType
		err := w.via(w.others(h)[0]).History(w.ctx(), api.HistoryOptions{Machines: []cluster.MachineID{idOf(h)}, SinceTime: began.Add(-time.Second)}, func(e api.Happening) error {
			seen = append(seen, e.Type)
			return nil
		})
		return err == nil && slices.Contains(seen, api.HappenedReturned), fmt.Sprint(seen, err)
	})
	for _, name := range []unit.Name{patient, hasty} {
		w.await(soon, name, "it stays where it is", func(u api.Unit) bool { return runsOff(h)(u) && len(u.Copies) == 1 })
		w.destroy(name)
	}
}

// leftFewAtATime: the units' stopping is held up, so that it is seen how many stop at a time.
func leftFewAtATime(w *world, h *testbed.Host) {
	const few = 2
	names := []unit.Name{"few@1.service", "few@2.service", "few@3.service", "few@4.service"}
	files := make(map[unit.Name]string)
	for _, name := range names {
		files[name] = fmt.Sprintf(`[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'until test -e /var/may-stop; do sleep 0.1; done'
TimeoutStopSec=300
[X-Fleet]
HandOver=stop-first
MaxUnavailable=%d
`, few)
	}
	for _, other := range w.others(h) { // where they go they may stop
		w.sh(other, "touch /var/may-stop")
	}
	defer w.sh(h, "touch /var/may-stop")
	w.sh(h, "rm -f /var/may-stop")
	uncordon := w.cordon(w.others(h)...)
	w.launchAll(files)
	uncordon()
	if err := w.any().SetDrained(w.ctx(), true, idOf(h)); err != nil {
		w.t.Fatal(err)
	}
	w.awaitState(soon, h, cluster.StateDraining)
	count := func() (stopping, running int) {
		for _, name := range names {
			switch w.show(h, name, "ActiveState") {
			case "deactivating":
				stopping++
			case "active":
				running++
			}
		}
		return stopping, running
	}
	w.eventually(soon, "as many stop as may", func() (bool, string) {
		stopping, running := count()
		return stopping == few, fmt.Sprintf("%d stop, %d run", stopping, running)
	})
	w.eventually(soon, "the others say what they wait for", func() (bool, string) {
		waiting := 0
		for _, name := range names {
			if p := w.unit(name).Pending; p != nil && strings.Contains(p.Message, fmt.Sprintf("MaxUnavailable=%d", few)) {
				waiting++
			}
		}
		return waiting == len(names)-few, fmt.Sprintf("%d", waiting)
	})
	if stopping, running := count(); stopping != few || running != len(names)-few {
		w.t.Errorf("%d stop and %d run", stopping, running)
	}
	w.sh(h, "touch /var/may-stop")
	w.awaitAll(2*soon, names, "all have left", func(u api.Unit) bool { return runsOff(h)(u) && len(u.Copies) == 1 })
}

// leftAndForgotten is of a machine that is drained.
func leftAndForgotten(w *world, h *testbed.Host) {
	if out, code := w.fleetctl("forget", h.MachineID); code != 7 {
		w.t.Errorf("forget a machine that is there: exit code %d\n%s", code, out)
	}
	if err := h.PowerOff(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.awaitState(2*soon, h, cluster.StateLeft)
	w.mustFleetctl("forget", h.MachineID)
	if out := w.mustFleetctl("list-machines", "--all"); strings.Contains(out, h.Address.String()) {
		w.t.Errorf("forgotten, it is listed:\n%s", out)
	}
	if _, err := w.any().Machine(w.ctx(), idOf(h)); !errors.Is(err, api.ErrNotFound) {
		w.t.Errorf("forgotten, it is known: %v", err)
	}
	w.powerOn(h)
	w.awaitState(2*soon, h, cluster.StateReady) // nobody drains it any more
	w.launch("fresh.service", onlyOn("MachineID="+h.MachineID))
}
