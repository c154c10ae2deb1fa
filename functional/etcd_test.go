//go:build functional

package functional

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// outage is how long all of etcd is away: many leases' lives.
const outage = time.Minute

func TestWithExternalEtcdAMemberMayDieAndAllMayBeAwayForAMinute(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "ext", Hosts: 3, ExternalEtcd: true})
	hosts := w.launchAll(map[unit.Name]string{"a.service": stamped, "b.service": stamped, "c.service": stamped})
	before := w.lives(hosts)
	etcds := w.Etcds()

	if err := etcds[0].Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.launch("one-less.service", sleeper)
	w.sameLives(before, hosts, "the death of one etcd")
	w.startEtcd(1)

	for _, e := range etcds {
		if err := e.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	back := time.Now().Add(outage)
	// What is asked for in the meantime fails in words, and in time.
	client := w.via(w.host(1))
	began := time.Now()
	_, err := client.PutFile(t.Context(), "meanwhile.service", []byte(sleeper), api.PutFileOptions{Desired: cluster.Launched})
	if err == nil {
		t.Error("without etcd a unit could be submitted")
	}
	t.Logf("without etcd, submit says after %s: %v", time.Since(began).Round(time.Millisecond), err)
	if took := time.Since(began); took > 9*time.Second {
		t.Errorf("it took %s", took)
	}
	_, destroyed := client.Destroy(t.Context(), "b.service")
	if destroyed == nil {
		t.Error("without etcd a unit could be destroyed")
	}
	// A unit dies in the meantime; another is looked after by systemd alone.
	c := hosts["c.service"]
	w.exec(c, "systemctl", "kill", "--signal=KILL", "c.service")
	delete(hosts, "c.service")
	for time.Now().Before(back) {
		w.sameLives(before, hosts, "a while without etcd")
		if t.Failed() {
			return
		}
		time.Sleep(time.Second)
	}

	for i := range etcds {
		w.startEtcd(i + 1)
	}
	w.awaitMachines(2*soon, w.Hosts()...)
	w.await(soon, "c.service", "its death is known", func(u api.Unit) bool { return len(live(u)) == 1 && live(u)[0].Active == "failed" })
	w.launch("afterwards.service", sleeper)
	w.unchanged(2*time.Second, "a.service", "b.service", "c.service")
	w.sameLives(before, hosts, "a minute without etcd")
	w.neverTwo("a.service", nil)
	if all := w.spans("a.service"); len(all) != 1 {
		t.Errorf("a.service ran %v", all)
	}
}

// startEtcd starts a separate etcd process again.
func (w *world) startEtcd(index int) {
	w.t.Helper()
	if err := w.StartEtcd(w.ctx(), index); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnIdleClusterWritesNothing(t *testing.T) {
	w := shared(t)
	w.put("idle-every.service", onlyOn("Global=true"), cluster.Launched)
	w.put("idle-nowhere.service", onlyOn("MachineMetadata=no=where"), cluster.Launched)
	w.put("idle-loaded.service", sleeper, cluster.Loaded)
	w.put("idle-failed.service", "[Service]\nExecStart=/bin/false\n", cluster.Launched)
	w.put("idle-refused.service", "[Service]\nExecStart=nonsense\n", cluster.Launched)
	w.launchAll(map[unit.Name]string{"idle1.service": sleeper, "idle2.service": sleeper, "idle3.service": sleeper})
	w.await(soon, "idle-every.service", "it runs on all", runsOnAll(w.Hosts()...))
	for name, holds := range map[unit.Name]func(api.Unit) bool{
		"idle-nowhere.service": nowhere, "idle-loaded.service": done, "idle-failed.service": failed, "idle-refused.service": failed,
	} {
		w.await(soon, name, "it is settled", holds)
	}
	c := w.etcd()
	revision := func() int64 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		got, err := c.Get(ctx, "/fleet/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		if err != nil {
			t.Fatal(err)
		}
		return got.Header.Revision
	}
	// The last reports may be under way; from then on nothing is written, for four lives of a lease.
	before := revision()
	w.eventually(soon, "nothing is written for a second", func() (bool, string) {
		time.Sleep(time.Second)
		last := before
		before = revision()
		return before == last, fmt.Sprintf("revisions %d, %d", last, before)
	})
	time.Sleep(4 * shortTTL)
	if after := revision(); after != before {
		t.Errorf("in %s of idleness the revision went from %d to %d: %s", 4*shortTTL, before, after, w.writtenSince(c, before))
	}
}

// writtenSince tells which keys were written after a revision.
func (w *world) writtenSince(c *clientv3.Client, revision int64) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), 5*time.Second)
	defer cancel()
	got, err := c.Get(ctx, "/fleet/", clientv3.WithPrefix(), clientv3.WithMinModRev(revision+1))
	if err != nil {
		return err.Error()
	}
	text := ""
	for _, kv := range got.Kvs {
		text += fmt.Sprintf("%s at %d: %.300s\n", kv.Key, kv.ModRevision, kv.Value)
	}
	return text
}

// A record that cannot be read is set aside and shown as such. What runs because
// of it goes on, and so does everything else.
func TestADamagedRecordIsQuarantinedAndEverythingElseGoesOn(t *testing.T) {
	w := shared(t)
	c := w.etcd()
	damage := func(key string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if _, err := c.Put(ctx, key, "\x00{not json"); err != nil {
			t.Fatal(err)
		}
	}
	hosts := w.launchAll(map[unit.Name]string{"hurt.service": stamped, "well.service": stamped, "third.service": stamped})
	before := w.lives(hosts)

	damage("/fleet/units/hurt.service")
	u := w.await(soon, "hurt.service", "it is shown as damaged", func(u api.Unit) bool { return u.Error != "" })
	t.Logf("it is shown with: %s", u.Error)
	damage("/fleet/units/never-was.service")
	w.launch("next.service", sleeper)
	w.destroy("next.service")
	w.await(soon, "next.service", "it is gone", gone)
	w.sameLives(before, hosts, "damage to a unit's record")
	if out := w.mustFleetctl("list-unit-files"); len(out) == 0 {
		t.Error("nothing is listed")
	}

	// Orders are made anew out of what the machine reports.
	damage("/fleet/orders/" + hosts["well.service"].MachineID)
	w.launch("next.service", onlyOn("MachineID="+hosts["well.service"].MachineID))
	w.sameLives(before, hosts, "damage to orders")
	damage("/fleet/settings/" + w.host(1).MachineID)
	w.launch("last.service", onlyOn("MachineID="+w.host(2).MachineID))
	w.sameLives(before, hosts, "damage to settings")
	w.setMetadata(w.host(1), "repaired", "yes")

	// Submitting the unit again, or destroying it, repairs it.
	w.put("hurt.service", stamped, cluster.Launched)
	w.await(soon, "hurt.service", "it is repaired", func(u api.Unit) bool { return runs(u) && u.Error == "" })
	w.sameLives(before, hosts, "repair by submitting the same file")
	w.destroy("never-was.service")
	w.await(soon, "never-was.service", "it is gone", gone)
	if code, answer, err := w.request(t.Context(), w.host(1), "GET", "/fleet/v1/units", nil, ""); code != 200 {
		t.Errorf("units: %d %s %v", code, answer, err)
	}
}
