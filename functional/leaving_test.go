//go:build functional

package functional

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// A host that is shut down in order gives its units away first: the next copy is up before the one here stops, or, for a unit
// that says so, starts as soon as it has stopped. Nobody waits for a lease to end.
func TestAHostThatIsRebootedHandsItsUnitsOver(t *testing.T) {
	t.Parallel()
	const ttl = 10 * time.Second
	w := start(t, testbed.Spec{Name: "leave", Hosts: 3, TTL: ttl})
	w.mayRunTwice("it starts elsewhere before it stops here", "a.service", "b.service", "c.service", "d.service", "e.service", "f.service", "held.service")
	t.Run("somebody thinks better of it", func(t *testing.T) { calledOff(w.in(t), w.host(3)) })
	for name, how := range map[string]func(h *testbed.Host){
		"somebody reboots it": func(h *testbed.Host) {
			if err := h.Reboot(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		"fleet reboots it": func(h *testbed.Host) {
			before := w.boot(h)
			if err := w.any().DrainToReboot(t.Context(), idOf(h)); err != nil {
				t.Fatal(err)
			}
			w.eventually(2*soon, "the host is in another boot", func() (bool, string) {
				ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Second)
				defer cancel()
				now, err := h.Exec(ctx, "cat", "/proc/sys/kernel/random/boot_id")
				return err == nil && strings.TrimSpace(now) != before, fmt.Sprint(now, err)
			})
			w.eventually(soon, "it is drained no more", func() (bool, string) {
				m, err := w.any().Machine(w.ctx(), idOf(h))
				return err == nil && m.Drain == nil && m.State == "ready", fmt.Sprintf("%+v, %v", m, err)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			w.clear()
			w.awaitMachines(soon, w.Hosts()...)
			leaver := w.host(3)
			files := map[unit.Name]string{"pinned.service": stamped + "[X-Fleet]\nMachineID=" + leaver.MachineID + "\n"}
			for _, n := range []unit.Name{"a", "b", "c", "d", "e", "f"} {
				files[n+".service"] = stamped
			}
			for _, n := range []unit.Name{"u", "v", "w", "x", "y", "z"} {
				files[n+".service"] = stamped + "[X-Fleet]\nHandOver=stop-first\n"
			}
			hosts := w.launchAll(files)
			began := time.Now()
			how(leaver)
			w.awaitMachines(2*soon, w.Hosts()...)
			w.await(soon, "pinned.service", "it is back with its host", runs)
			leavers := map[bool]int{}
			for name, h := range hosts {
				if h != leaver || name == "pinned.service" {
					continue
				}
				w.await(soon, name, "it runs elsewhere", func(u api.Unit) bool { return runs(u) })
				stopFirst := strings.Contains(files[name], "stop-first")
				leavers[stopFirst]++
				all := w.spans(name)
				if len(all) < 2 || all[0].host != leaver || all[1].host == leaver {
					t.Errorf("%s ran like this: %v", name, all)
					continue
				}
				gap := all[1].start.Sub(all[0].end)
				switch {
				case all[0].end.IsZero():
					t.Errorf("%s was not stopped: %v", name, all)
				case stopFirst && (gap < 0 || gap > ttl):
					t.Errorf("%s was away for %s: %v", name, gap, all)
				case !stopFirst && gap > 0:
					t.Errorf("%s stopped %s before it ran elsewhere: %v", name, gap, all)
				}
			}
			if leavers[true] == 0 || leavers[false] == 0 {
				t.Errorf("on the host were %v units (by whether they stop first)", leavers)
			}
			t.Logf("%v units left within %s", leavers, time.Since(began))
		})
	}
}

// calledOff is a shutdown whose jobs are cancelled while a unit is on its way: it stays, and the machine is as before. That its
// next shutdown hands units over, what comes after this shows.
func calledOff(w *world, leaver *testbed.Host) {
	const held unit.Name = "held.service"
	w.setMetadata(leaver, "exile", "yes")
	w.exec(leaver, "touch", "/var/may-start")
	w.launch(held, `[Service]
ExecStartPre=/bin/sh -c 'until test -e /var/may-start; do sleep 0.1; done'
ExecStart=/bin/sleep infinity
TimeoutStartSec=infinity
[X-Fleet]
MachineMetadata=exile
`)
	before, boot := w.life(leaver, held), w.boot(leaver)
	for _, h := range w.others(leaver) {
		w.setMetadata(h, "exile", "yes")
	}
	w.exec(leaver, "systemctl", "reboot")
	w.awaitState(soon, leaver, cluster.StateDraining)
	w.await(soon, held, "it is on its way", func(u api.Unit) bool { return len(live(u)) == 2 })
	w.exec(leaver, "systemctl", "cancel")
	w.awaitState(soon, leaver, cluster.StateReady)
	w.await(soon, held, "it stays", func(u api.Unit) bool { return runsOn(leaver)(u) && len(u.Copies) == 1 })
	w.launch("next.service", onlyOn("MachineID="+leaver.MachineID))
	if now := w.life(leaver, held); now != before || w.boot(leaver) != boot {
		w.t.Errorf("it was %q and is %q", before, now)
	}
	w.eventually(soon, "the next shutdown will be noticed", func() (bool, string) {
		state := w.show(leaver, "fleet-handover.service", "ActiveState")
		return state == "active", state
	})
	for _, h := range w.Hosts() {
		w.dropMetadata(h, "exile")
	}
}

func (w *world) boot(h *testbed.Host) string {
	return w.exec(h, "cat", "/proc/sys/kernel/random/boot_id")
}
