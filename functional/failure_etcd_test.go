//go:build functional

package functional

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// unfenced are those of the household that run on whatever etcd does.
var unfenced = []unit.Name{plainUnit, waitUnit, everyUnit}

// Without a quorum nobody can renew a lease: what is guarded ends by itself, everywhere; everything else runs on. Nothing
// moves when etcd is back, as no machine was away for the engine to see.
func TestWithoutAQuorumOfEtcdOnlyFencedUnitsEnd(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "quorum", Hosts: 4, ExternalEtcd: true, TTL: fencedTTL})
	h := w.settle(w.host(4))
	for _, c := range []struct {
		what     string
		members  []int
		does     func(*testbed.Etcd, context.Context) error
		outlasts time.Duration
	}{
		{"two of three are killed", []int{0, 1}, (*testbed.Etcd).Kill, 3 * fencedTTL},
		{"all are stopped", []int{0, 1, 2}, (*testbed.Etcd).Stop, 2 * fencedTTL},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := h.inside(w.in(t))
			h.remember()
			began := record.Now()
			for _, i := range c.members {
				if err := c.does(w.Etcds()[i], t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			for _, name := range guarded {
				last := h.ended(2*fencedTTL, name, w.hostNamed(h.latestRun(name).Host))
				t.Logf("%s ended after %s", name, last.End.Sub(began).Round(time.Millisecond))
			}
			for record.Now().Sub(began) < c.outlasts {
				h.unhurt("without a quorum", unfenced...)
				if t.Failed() {
					return
				}
				time.Sleep(time.Second)
			}
			for _, i := range c.members {
				h.startEtcd(i + 1)
			}
			h.whole(3 * soon)
			h.unhurt("a while without a quorum", unfenced...)
			h.numbersGrow(guarded...)
		})
	}
}

func (w *world) hostNamed(name string) *testbed.Host {
	w.t.Helper()
	for _, h := range w.Hosts() {
		if h.Name == name {
			return h
		}
	}
	w.t.Fatalf("there is no host %s", name)
	return nil
}

// One member of etcd is gone, or its leader changes: nothing stops, and requests are carried out.
func TestAnEtcdThatLosesAMemberOrItsLeaderIsNotNoticed(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "member", Hosts: 4, ExternalEtcd: true, TTL: fencedTTL})
	h := w.settle(w.host(4))
	all := append(slices.Clone(single), everyUnit)
	c := w.etcd()
	for i := range w.Etcds() {
		leader := w.leaderOf(c)
		if i == 0 {
			w.handOverEtcd(c)
		} else {
			if err := leader.Kill(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.put("next.service", sleeper, cluster.Launched)
		w.await(soon, "next.service", "units are placed", runs)
		w.destroy("next.service")
		w.await(soon, "next.service", "it is gone", gone)
		w.startEtcd(leader.Index)
		h.unhurt("a change of etcd's leader", all...)
	}
	w.unchanged(2*fencedTTL, all...)
	h.unhurt("changes of etcd's leader", all...)
}

// leaderOf is the separate etcd process that leads.
func (w *world) leaderOf(c *clientv3.Client) *testbed.Etcd {
	w.t.Helper()
	var leader *testbed.Etcd
	w.eventually(soon, "an etcd leads", func() (bool, string) {
		ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Second)
		defer cancel()
		for _, e := range w.Etcds() {
			status, err := c.Status(ctx, e.URL())
			if err == nil && status.Leader == status.Header.MemberId {
				leader = e
				return true, ""
			}
		}
		return false, "no member says so"
	})
	return leader
}

// handOverEtcd has etcd's leader pass its role on, in order.
func (w *world) handOverEtcd(c *clientv3.Client) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), 10*time.Second)
	defer cancel()
	leader := w.leaderOf(c)
	at, err := clientv3.New(clientv3.Config{Endpoints: []string{leader.URL()}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer at.Close()
	members, err := at.MemberList(ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range members.Members {
		if m.Name != leader.Name {
			if _, err := at.MoveLeader(ctx, m.ID); err != nil {
				w.t.Fatal(err)
			}
			return
		}
	}
}

// The disks of all of etcd stand still again and again, each time for less than a fence waits: etcd is slow, elects
// itself anew, and nothing stops.
func TestWithASlowDiskUnderEtcdNothingStops(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "slow", Hosts: 4, ExternalEtcd: true, TTL: ttl, EtcdDisks: true})
	h := w.settle(w.host(4))
	all := append(slices.Clone(single), everyUnit)
	end := time.Now().Add(3 * ttl)
	for n := 0; time.Now().Before(end); n++ {
		for _, e := range w.Etcds() {
			if err := e.FreezeDisk(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(ttl / 10)
		for _, e := range w.Etcds() {
			if err := e.FreezeDisk(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(ttl / 20)
	}
	w.put("next.service", sleeper, cluster.Launched)
	w.await(soon, "next.service", "units are placed", runs)
	h.unhurt("a while of slow disks", all...)
	w.destroy("next.service")
	w.await(soon, "next.service", "it is gone", gone)
}

// etcd forgets its past while a machine is cut off from it. What changed meanwhile reaches the machine all the same.
func TestACompactionWhileAMachineIsAwayHidesNothingFromIt(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "compact", Hosts: 4, ExternalEtcd: true, TTL: fencedTTL})
	h := w.settle(w.host(4))
	c := w.etcd()
	if err := h.home.Cut(t.Context(), testbed.Drop, w.etcdAddresses()...); err != nil {
		t.Fatal(err)
	}
	w.mayRunTwice("a machine that is cut off runs on, and nobody can see it", plainUnit)
	w.await(2*soon, plainUnit, "it runs elsewhere", runsOff(h.home))
	w.put("meanwhile.service", onlyOn("MachineID="+h.home.MachineID), cluster.Launched)
	w.await(soon, "meanwhile.service", "it waits", nowhere)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := c.Get(ctx, "/fleet/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compact(ctx, got.Header.Revision, clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if err := h.home.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.await(2*soon, "meanwhile.service", "it runs", runsOn(h.home))
	h.whole(2 * soon)
	h.unhurt("a compaction", waitUnit, everyUnit)
	w.eventually(soon, "its own API tells of it", func() (bool, string) {
		u, err := w.via(h.home).Unit(t.Context(), "meanwhile.service")
		return err == nil && runs(u), fmt.Sprintf("%+v, %v", u, err)
	})
}

// etcd is restored from a backup that is older than what runs. What the backup does not know runs on, too; fencing
// numbers and generations do not begin again below what they were.
func TestEtcdRestoredFromAnOlderBackupGoesOnFromThere(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "backup", Hosts: 4, ExternalEtcd: true, TTL: fencedTTL})
	h := w.settle(w.host(4))
	w.whileEtcdIsOff(func(data string) error { return os.CopyFS(data+".backup", os.DirFS(data)) })
	w.awaitMachines(2*soon, w.Hosts()...)
	// What happens after the backup: generations and fencing numbers grow, a unit comes.
	restart := func(names ...unit.Name) {
		t.Helper()
		for _, name := range names {
			result, err := w.any().Restart(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			w.await(2*soon, name, "it is restarted", func(u api.Unit) bool { return runs(u) && u.Generation >= result.Generation })
		}
	}
	for range 3 {
		restart(onceUnit, plainUnit)
	}
	younger := w.launch("younger.service", sleeper)
	life := w.life(younger, "younger.service")
	h.remember()
	before := w.unit(plainUnit).Generation
	w.whileEtcdIsOff(func(data string) error {
		return errors.Join(os.RemoveAll(data), os.Rename(data+".backup", data))
	})
	w.awaitMachines(3*soon, w.Hosts()...)
	h.whole(3 * soon)
	h.unhurt("a restore", unfenced...)
	if now := w.life(younger, "younger.service"); now != life {
		t.Errorf("what the backup does not know was %q and is %q", life, now)
	}
	restart(plainUnit, onceUnit)
	if after := w.unit(plainUnit).Generation; after <= before {
		t.Errorf("its generation was %d before the restore and is %d", before, after)
	}
	h.whole(soon)
	w.numbersGrow(guarded...)
}

// whileEtcdIsOff stops all of etcd, does something to the data of each process, and starts all again.
func (w *world) whileEtcdIsOff(do func(data string) error) {
	w.t.Helper()
	for _, e := range w.Etcds() {
		if err := e.Stop(w.ctx()); err != nil {
			w.t.Fatal(err)
		}
	}
	for _, e := range w.Etcds() {
		if err := do(e.DataDir()); err != nil {
			w.t.Fatal(err)
		}
	}
	for i := range w.Etcds() {
		w.startEtcd(i + 1)
	}
}

// An etcd comes near its quota, and reaches it: new units are refused before, everything that runs runs on, and when room
// is made the rest is done by fleet.
func TestAFullEtcdTakesInNothingNewAndStopsNothing(t *testing.T) {
	t.Parallel()
	const quota = 128 << 20
	w := start(t, testbed.Spec{Name: "full", Hosts: 4, TTL: fencedTTL, Config: map[string]string{"etcd_quota": fmt.Sprint(quota)}})
	h := w.settle(w.host(4))
	all := append(slices.Clone(single), everyUnit)
	c := w.etcd()
	// etcd refuses by the size of its file, which grows by more than is in use, and which fleet sees to if it is given the
	// time: of one that is nearly full until there is nothing left that it would do (etcd.Tidier).
	seenTo := func() {
		t.Helper()
		w.eventually(2*time.Minute, "etcd's files are seen to", func() (bool, string) {
			for _, m := range w.etcdStatus(c) {
				if m.DbSize >= quota/100*98 && m.DbSize-m.DbSizeInUse >= max(quota/100*3, 2*(quota-m.DbSize)) {
					return false, fmt.Sprintf("%d bytes, %d of them in use", m.DbSize, m.DbSizeInUse)
				}
			}
			return true, ""
		})
	}
	ballast := func(most int64, atOnce int) (err error) {
		for i := 0; err == nil && w.etcdStatus(c)[0].DbSizeInUse < most; i++ {
			var ops []clientv3.Op
			for j := range atOnce {
				ops = append(ops, clientv3.OpPut(fmt.Sprintf("/ballast/%d-%d-%d", record.Now(), i, j), strings.Repeat("x", 32<<10)))
			}
			_, err = c.Txn(w.ctx()).Then(ops...).Commit()
			if most < quota {
				seenTo()
			}
		}
		return err
	}
	if err := errors.Join(ballast(quota/100*90, 8), ballast(quota/1000*955, 1)); err != nil {
		t.Fatal(err)
	}
	t.Logf("the alarm: %s", w.awaitAlarm(2*time.Minute, cluster.StoreFull).Message)
	refused := func() {
		t.Helper()
		if out, code := w.fleetctl("start", w.file("new.service", sleeper)); code != 7 || !strings.Contains(out, "etcd") {
			t.Errorf("start of a new unit: exit code %d\n%s", code, out)
		}
	}
	refused()
	w.mustFleetctl("stop", string(waitUnit))
	w.mustFleetctl("start", string(waitUnit))
	h.remember()

	if err := ballast(2*quota, 8); !errors.Is(err, rpctypes.ErrNoSpace) {
		t.Fatalf("etcd says %v", err)
	}
	refused()
	w.unchanged(2*fencedTTL, all...)
	h.unhurt("a while with an etcd that is full", all...)

	if _, err := c.Delete(w.ctx(), "/ballast/", clientv3.WithPrefix()); err != nil {
		t.Fatal(err)
	}
	w.awaitNoAlarm(2 * time.Minute)
	w.put("new.service", sleeper, cluster.Launched)
	w.await(soon, "new.service", "a new unit is placed", runs)
	h.whole(soon)
	h.unhurt("an etcd that was full", all...)
}

// etcdStatus is what each member of etcd says of itself.
func (w *world) etcdStatus(c *clientv3.Client) (all []*clientv3.StatusResponse) {
	w.t.Helper()
	for _, endpoint := range c.Endpoints() {
		status, err := c.Status(w.ctx(), endpoint)
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, status)
	}
	return all
}

// A majority of the machines is lost at once: more likely it is the engine that is cut off. It moves nothing, says so,
// and goes on when they are back, or when somebody says that they are really gone.
func TestWhenMostMachinesAreLostAtOnceNothingMovesUntilSomebodySaysSo(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "mass", Hosts: 5, TTL: fencedTTL})
	files := map[unit.Name]string{}
	for i := range 10 {
		files[unit.Name(fmt.Sprintf("m%d.service", i))] = sleeper
	}
	hosts := w.launchAll(files)
	gone := []*testbed.Host{w.host(3), w.host(4), w.host(5)} // a quorum of etcd is left
	var lost []unit.Name
	for name, h := range hosts {
		if slices.Contains(gone, h) {
			lost = append(lost, name)
		}
	}
	powerLoss := func() record.Moment {
		at := record.Now()
		for _, h := range gone {
			w.powerLoss(h)
		}
		return at
	}
	powerLoss()
	alarm := w.awaitAlarm(2*soon, cluster.MassLoss)
	t.Logf("the alarm: %s", alarm.Message)
	if out, _ := w.fleetctl("alarms"); !strings.Contains(out, string(cluster.MassLoss)) {
		t.Errorf("fleetctl alarms says:\n%s", out)
	}
	w.unchanged(2*fencedTTL, lost...)
	w.awaitAll(soon, lost, "they wait", nowhereYet)
	for _, h := range gone {
		w.powerOn(h)
	}
	w.awaitMachines(2*soon, w.Hosts()...)
	w.awaitAll(2*soon, lost, "they run again", runs)
	w.awaitNoAlarm(2 * soon)

	again := powerLoss()
	alarm = w.awaitAlarm(2*soon, cluster.MassLoss)
	for _, r := range w.runsSince(again) {
		if r.Start > again {
			t.Errorf("in spite of the brake: %s on %s", r.Unit, r)
		}
	}
	if err := w.any().Acknowledge(t.Context(), alarm); err != nil {
		t.Fatal(err)
	}
	w.awaitAll(2*soon, slices.Collect(keys(files)), "all run on those that are left", w.runsOnOneOf(1, 2))
}

// runsOnOneOf: it runs on a host of one of these indexes.
func (w *world) runsOnOneOf(indexes ...int) func(api.Unit) bool {
	return func(u api.Unit) bool { return runs(u) && slices.Contains(indexes, w.hostOf(u.MachineID).Index) }
}

// The negative control of the test above: without the limit the same loss moves everything.
func TestWithoutTheLimitAMassLossMovesEverything(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "nobrake", Hosts: 5, TTL: fencedTTL, Config: map[string]string{"loss_limit": "100%"}})
	files := map[unit.Name]string{}
	for i := range 10 {
		files[unit.Name(fmt.Sprintf("m%d.service", i))] = sleeper
	}
	w.launchAll(files)
	lost := record.Now()
	for i := 3; i <= 5; i++ {
		w.powerLoss(w.host(i))
	}
	w.awaitAll(2*soon, slices.Collect(keys(files)), "all run on those that are left", w.runsOnOneOf(1, 2))
	moved := 0
	for _, r := range w.runsSince(lost) {
		if r.Start > lost {
			moved++
		}
	}
	if moved < 4 {
		t.Errorf("only %d units moved", moved)
	}
}

func keys[K comparable, V any](m map[K]V) func(func(K) bool) {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (w *world) awaitAlarm(within time.Duration, name cluster.AlarmName) (found api.Alarm) {
	w.t.Helper()
	w.eventually(within, fmt.Sprintf("alarm %s is raised", name), func() (bool, string) {
		alarms, err := w.any().Alarms(w.ctx())
		for _, a := range alarms {
			if a.Name == name && !a.Acknowledged {
				found = a
				return true, ""
			}
		}
		return false, fmt.Sprint(alarms, err)
	})
	return found
}

func (w *world) awaitNoAlarm(within time.Duration) {
	w.t.Helper()
	w.eventually(within, "no alarm is left", func() (bool, string) {
		alarms, err := w.any().Alarms(w.ctx())
		return err == nil && len(alarms) == 0, fmt.Sprint(alarms, err)
	})
}
