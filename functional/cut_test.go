//go:build functional

package functional

import (
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// alone: it runs on this host, and no other has anything of it.
func alone(h *testbed.Host) func(api.Unit) bool {
	return func(u api.Unit) bool { return runsOn(h)(u) && len(u.Copies) == 1 }
}

func TestAMachineThatIsCutOffRunsOnAndOneOfTwoCopiesStaysWhenItIsBack(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "cut", Hosts: 4})
	w.mayRunTwice("a machine that is cut off runs on, and nobody can see it")
	for _, mode := range []testbed.CutMode{testbed.Drop, testbed.Reject, testbed.Unplug} {
		for _, index := range []int{4, 1} { // without and with a member of etcd
			victim := w.host(index)
			t.Run(fmt.Sprintf("%s of %s", mode, victim.Name), func(t *testing.T) {
				w := w.in(t)
				name := unit.Name(fmt.Sprintf("%s%d.service", mode, index))
				w.exileTo(victim, name, stamped)
				original := w.life(victim, name)

				cutAt := time.Now()
				if err := victim.Cut(t.Context(), mode); err != nil {
					t.Fatal(err)
				}
				u := w.await(2*soon, name, "it runs elsewhere", runsOff(victim))
				replacement := w.hostOf(live(u)[0].MachineID)
				t.Logf("it ran elsewhere after %s", w.startedAfter(cutAt, name).Sub(cutAt).Round(time.Millisecond))
				second := w.life(replacement, name)
				if now := w.life(victim, name); now != original {
					t.Errorf("cut off, the original was %q and is %q", original, now)
				}

				if err := victim.Heal(t.Context()); err != nil {
					t.Fatal(err)
				}
				w.await(2*soon, name, "one copy is left, the replacement", alone(replacement))
				w.expectOnHost(victim, name, "not-found inactive")
				if now := w.life(replacement, name); now != second {
					t.Errorf("the replacement was %q and is %q", second, now)
				}
				w.destroy(name)
				w.await(soon, name, "it is gone", gone)
			})
		}
	}
}

// exileTo launches a unit that may run anywhere, on this host: the others refuse
// it for as long as it is placed.
func (w *world) exileTo(h *testbed.Host, name unit.Name, text string) {
	w.t.Helper()
	w.setMetadata(h, "exile", "no")
	w.put(name, text+"[X-Fleet]\nMachineMetadata=exile\n", cluster.Launched)
	w.await(soon, name, "it is in exile", runsOn(h))
	for _, o := range w.others(h) {
		w.setMetadata(o, "exile", "no")
	}
	w.t.Cleanup(func() {
		for _, o := range w.Hosts() {
			w.dropMetadata(o, "exile")
		}
	})
}

func TestTheOriginalStaysWhenItsReplacementIsNotUpYet(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "orig", Hosts: 4})
	w.mayRunTwice("a machine that is cut off runs on, and nobody can see it")
	victim := w.host(4)
	w.sh(victim, "touch /var/quick")
	const name = "heavy.service"
	w.exileTo(victim, name, `[Service]
ExecStartPre=/bin/sh -c 'test -e /var/quick || sleep 300'
ExecStart=/bin/sleep infinity
TimeoutStartSec=infinity
`)
	original := w.life(victim, name)
	if err := victim.Cut(t.Context(), testbed.Drop); err != nil {
		t.Fatal(err)
	}
	w.await(2*soon, name, "its replacement is being started", func(u api.Unit) bool {
		return len(live(u)) == 1 && live(u)[0].MachineID != idOf(victim) && live(u)[0].Active == "activating"
	})
	if err := victim.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.await(2*soon, name, "the original is the one that is left", alone(victim))
	if now := w.life(victim, name); now != original {
		t.Errorf("the original was %q and is %q", original, now)
	}
}

// A hypervisor pauses a machine, or its fleetd hangs where no fence renews its lease, for longer than the TTL.
// When it wakes up it still believes in its session.
func TestAMachineThatWakesUpAfterItWasLostDoesNoHarm(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "sleep", Hosts: 4})
	w.mayRunTwice("awake again, a machine runs on until it hears that it was replaced")
	for _, c := range []struct {
		what       string
		stop, cont func(w *world, h *testbed.Host)
	}{
		{"the whole machine", (*world).freeze, (*world).thaw},
		{"its fleetd, without a fence", (*world).pauseWithoutFence, (*world).resumeFleetd},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := w.in(t)
			victim := w.engineLeader() // which, waking up, also believes that it leads
			const name = "sleepy.service"
			w.exileTo(victim, name, stamped)
			lives := map[*testbed.Host]string{victim: w.life(victim, name)}
			c.stop(w, victim)
			u := w.await(2*soon, name, "it runs elsewhere", runsOff(victim))
			replacement := w.hostOf(live(u)[0].MachineID)
			lives[replacement] = w.life(replacement, name)
			c.cont(w, victim)
			// Which of the two is for the engine to decide: where the machine that slept
			// led etcd too, the other may have been out of sight as well.
			one := func(u api.Unit) bool { return runs(u) && len(u.Copies) == 1 }
			u = w.await(2*soon, name, "one copy is left", one)
			w.unchanged(2*time.Second, name)
			stays := w.hostOf(u.MachineID)
			if now := w.life(stays, name); now != lives[stays] {
				t.Errorf("the one that stayed was %q and is %q", lives[stays], now)
			}
			w.awaitMachines(soon, w.Hosts()...)
			w.destroy(name)
			w.await(soon, name, "it is gone", gone)
		})
	}
}

// Cut off from etcd alone, a fleetd can be asked, and says that it does not know
// rather than what it knew.
func TestAFleetdThatIsCutOffFromEtcdSaysSo(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "mute", Hosts: 4})
	h := w.host(4)
	w.launch("mute.service", onlyOn("MachineID="+h.MachineID))
	before := w.life(h, "mute.service")
	var members []netip.Addr
	for _, o := range w.others(h) {
		members = append(members, o.Address)
	}
	if err := h.Cut(t.Context(), testbed.Drop, members...); err != nil {
		t.Fatal(err)
	}
	w.eventually(2*shortTTL, "it answers 503", func() (bool, string) {
		code, answer, err := w.request(t.Context(), h, http.MethodGet, "/fleet/v1/units", nil, "")
		return code == http.StatusServiceUnavailable, fmt.Sprint(code, answer, err)
	})
	u := w.await(soon, "mute.service", "it is nowhere to be seen", nowhere)
	if len(u.Copies) != 1 || u.Copies[0].Presence != cluster.Lost {
		t.Errorf("copies: %+v", u.Copies)
	}
	if err := h.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.await(soon, "mute.service", "it is back", alone(h))
	if now := w.life(h, "mute.service"); now != before {
		t.Errorf("the unit was %q and is %q", before, now)
	}
}

// etcdAddresses are those of all members, embedded or not.
func (w *world) etcdAddresses() []netip.Addr {
	var members []netip.Addr
	for _, e := range w.Etcds() {
		members = append(members, e.Address)
	}
	if members == nil {
		for _, h := range w.Hosts()[:testbed.EmbeddedMembers] {
			members = append(members, h.Address)
		}
	}
	return members
}
