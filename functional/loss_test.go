//go:build functional

package functional

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// ttl is the agent_ttl that users get.
const ttl = testbed.DefaultTTL

// The figure that is promised: TTL + 1 s from the moment the power is gone to the
// unit's process elsewhere, also when the dead host led etcd, and the engine.
func TestALostMachinesUnitsRunElsewhereWithinTheTTLAndASecond(t *testing.T) {
	w := start(t, testbed.Spec{Name: "loss", Hosts: 4, TTL: ttl})
	files := make(map[unit.Name]string)
	for i := range 8 {
		files[unit.Name(fmt.Sprintf("move%d.service", i))] = stamped
	}
	w.launchAll(files)
	for _, c := range []struct {
		what   string
		victim func() *testbed.Host
	}{
		{"a host without etcd", func() *testbed.Host { return w.host(4) }},
		{"the host whose etcd leads", w.etcdLeader},
		{"the host whose engine leads", w.engineLeader},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := w.in(t)
			victim := c.victim()
			on := w.unitsOn(victim, files)
			if len(on) == 0 {
				t.Fatalf("nothing runs on %s", victim.Name)
			}
			died := w.powerLoss(victim)
			w.awaitAll(2*ttl, on, "they run elsewhere", runsOff(victim))
			slowest := time.Duration(0)
			for _, name := range on {
				started := w.startedAfter(died, name)
				slowest = max(slowest, started.Sub(died))
				w.neverTwo(name, map[*testbed.Host]time.Time{victim: died})
			}
			t.Logf("%d units of %s ran elsewhere after %s at most (promised: %s)", len(on), victim.Name, slowest.Round(time.Millisecond), ttl+time.Second)
			if slowest > ttl+time.Second {
				t.Errorf("too late: %s", slowest)
			}
			w.powerOn(victim)
			w.awaitMachines(soon, w.Hosts()...)
			for _, name := range on {
				w.sh(victim, "rm -f /var/stamps/"+string(name))
			}
			// It starts nothing by itself: what it had is elsewhere.
			if files := w.unitFiles(victim); len(files) > 0 {
				t.Errorf("booted again, %s has %v", victim.Name, files)
			}
			// But it can be given work.
			name := unit.Name(fmt.Sprintf("fresh-%s.service", victim.Name))
			w.launch(name, stamped+"[X-Fleet]\nMachineID="+victim.MachineID+"\n")
			w.destroy(name)
			w.await(soon, name, "it is gone", gone)
		})
	}
}

// unitsOn are those of the units that run on the host.
func (w *world) unitsOn(h *testbed.Host, files map[unit.Name]string) []unit.Name {
	w.t.Helper()
	var on []unit.Name
	for name := range files {
		if w.unit(name).MachineID == idOf(h) {
			on = append(on, name)
		}
	}
	slices.Sort(on)
	return on
}

// powerLoss takes a host's power away. A host that dies in silence does not even
// close its connections, which the kernel would do for it here.
func (w *world) powerLoss(h *testbed.Host) time.Time {
	w.t.Helper()
	at := time.Now()
	if err := h.Cut(w.ctx(), testbed.Unplug); err != nil {
		w.t.Fatal(err)
	}
	if err := h.Kill(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	return at
}

func (w *world) powerOn(h *testbed.Host) {
	w.t.Helper()
	if err := h.Heal(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	if err := h.Boot(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

// engineLeader is the host whose engine leads.
func (w *world) engineLeader() *testbed.Host {
	w.t.Helper()
	var leader *testbed.Host
	w.eventually(soon, "an engine leads", func() (bool, string) {
		machines, err := w.any().Machines(w.ctx())
		for _, m := range machines {
			if m.Leader {
				leader = w.hostOf(m.ID)
			}
		}
		return leader != nil, fmt.Sprint(machines, err)
	})
	return leader
}

// etcdLeader is the host whose embedded etcd leads.
func (w *world) etcdLeader() *testbed.Host {
	w.t.Helper()
	c := w.etcd()
	var leader *testbed.Host
	w.eventually(soon, "an etcd leads", func() (bool, string) {
		ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Second)
		defer cancel()
		for _, h := range w.Hosts()[:testbed.EmbeddedMembers] {
			status, err := c.Status(ctx, etcdURL(h))
			if err == nil && status.Leader == status.Header.MemberId {
				leader = h
				return true, ""
			}
		}
		return false, "no member says so"
	})
	return leader
}

func etcdURL(h *testbed.Host) string { return fmt.Sprintf("http://%s:2379", h.Address) }

// etcd returns a client of the cluster's etcd, embedded or not.
func (w *world) etcd() *clientv3.Client {
	w.t.Helper()
	var endpoints []string
	for _, e := range w.Etcds() {
		endpoints = append(endpoints, e.URL())
	}
	if endpoints == nil {
		for _, h := range w.Hosts()[:testbed.EmbeddedMembers] {
			endpoints = append(endpoints, etcdURL(h))
		}
	}
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, DialTimeout: 5 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}

func TestAfterAPowerCutOfTheWholeClusterEverythingRunsAgain(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "dark", Hosts: 3})
	files := map[unit.Name]string{"a.service": stamped, "b.service": stamped, "c.service": stamped, "pinned.service": stamped + "[X-Fleet]\nMachineID=" + w.host(2).MachineID + "\n"}
	w.launchAll(files)
	w.put("every.service", onlyOn("Global=true"), cluster.Launched)
	w.await(soon, "every.service", "it runs on all", runsOnAll(w.Hosts()...))
	died := make(map[*testbed.Host]time.Time)
	for _, h := range w.Hosts() {
		died[h] = w.powerLoss(h)
	}
	for _, h := range w.Hosts() {
		w.powerOn(h)
	}
	w.awaitMachines(2*soon, w.Hosts()...)
	for name := range files {
		w.await(2*soon, name, "it runs again", runs)
		w.neverTwo(name, died)
	}
	w.await(soon, "every.service", "it runs on all", runsOnAll(w.Hosts()...))

	// One host is rebooted in order, and gives its units away first.
	w.mayRunTwice("a unit is up elsewhere before it stops on a host that is shut down")
	if err := w.host(3).Reboot(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.awaitMachines(2*soon, w.Hosts()...)
	for name := range files {
		w.await(2*soon, name, "it runs after the reboot", runs)
	}
	w.await(soon, "every.service", "it runs on all", runsOnAll(w.Hosts()...))
}

// A machine joins, and takes its part; its fleetd and its fence go away for longer than the
// TTL, so that it is lost although all its units run on; it comes back.
func TestAMachineJoinsLeavesAndComesBack(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "grow", Hosts: 3})
	w.mayRunTwice("a machine without fleetd runs on, and nobody can see it")
	w.put("every.service", stamped+"[X-Fleet]\nGlobal=true\n", cluster.Launched)
	w.await(soon, "every.service", "it runs on all", runsOnAll(w.Hosts()...))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	newcomer, err := w.Add(ctx)
	if err != nil {
		t.Fatal(err)
	}
	w.awaitMachines(soon, w.Hosts()...)
	w.await(soon, "every.service", "it runs on the newcomer too", runsOnAll(w.Hosts()...))
	files := map[unit.Name]string{"w.service": stamped, "x.service": stamped, "y.service": stamped, "z.service": stamped}
	var name unit.Name
	for n, h := range w.launchAll(files) {
		if h == newcomer {
			name = n
		}
	}
	if name == "" {
		t.Fatal("of four units on four machines none went to the newcomer")
	}

	before, global := w.life(newcomer, name), w.life(newcomer, "every.service")
	w.exec(newcomer, "systemctl", "stop", "fleetd.service", "fleet.socket")
	w.exec(newcomer, "systemctl", "stop", fenceService)
	w.awaitMachines(2*soon, w.others(newcomer)...)
	u := w.await(soon, name, "it runs elsewhere", runsOff(newcomer))
	replacement := w.hostOf(live(u)[0].MachineID)
	second := w.life(replacement, name)
	if after := w.life(newcomer, name); after != before {
		t.Errorf("without fleetd its unit was %q and is %q", before, after)
	}

	w.exec(newcomer, "systemctl", "start", "fleet.socket", "fleetd.service")
	w.awaitMachines(soon, w.Hosts()...)
	w.await(soon, name, "one copy is left, the replacement", alone(replacement))
	w.await(soon, "every.service", "it runs on all", runsOnAll(w.Hosts()...))
	if after := w.life(replacement, name); after != second {
		t.Errorf("the replacement was %q and is %q", second, after)
	}
	if after := w.life(newcomer, "every.service"); after != global {
		t.Errorf("the global unit of the machine that came back was %q and is %q", global, after)
	}
}
