//go:build functional

package functional

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

const etcdData = "/var/lib/fleet/etcd"

// on makes a stamped unit that runs on one host only.
func on(h *testbed.Host) string { return stamped + "[X-Fleet]\nMachineID=" + h.MachineID + "\n" }

func peerURL(h *testbed.Host) string { return fmt.Sprintf("http://%s:2380", h.Address) }

// storeCtl runs fleetctl store against one host, whether anything else answers there or not.
func (w *world) storeCtl(h *testbed.Host, want int, args ...string) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	cmd := w.FleetctlCommand(ctx, h, append([]string{"store"}, args...)...)
	out, _ := cmd.CombinedOutput() // its exit code is looked at
	w.t.Logf("$ fleetctl store %s   (%s: %s)\n%s", strings.Join(args, " "), h.Name, time.Since(began).Round(10*time.Millisecond), out)
	if got := cmd.ProcessState.ExitCode(); got != want {
		w.t.Fatalf("fleetctl store %s: exit code %d, not %d", strings.Join(args, " "), got, want)
	}
	return string(out)
}

// awaitStore waits until a host's fleetd shows the store so.
func (w *world) awaitStore(within time.Duration, h *testbed.Host, what string, holds func(api.StoreStatus) bool) api.StoreStatus {
	w.t.Helper()
	var s api.StoreStatus
	w.eventually(within, what, func() (bool, string) {
		ctx, cancel := context.WithTimeout(w.ctx(), 10*time.Second)
		defer cancel()
		var err error
		s, err = w.via(h).Store(ctx)
		return err == nil && holds(s), fmt.Sprintf("%+v %v", s, err)
	})
	return s
}

// complete: so many members count, and all of them serve.
func complete(n int) func(api.StoreStatus) bool {
	return func(s api.StoreStatus) bool {
		serving := 0
		for _, m := range s.Members {
			if !m.Learner && m.Problem == "" {
				serving++
			}
		}
		return len(s.Members) == n && serving == n && s.Problem == ""
	}
}

// silence measures how long an etcd does not take writes.
type silence struct {
	mu      sync.Mutex
	last    time.Time // when it last did
	longest time.Duration
}

// listenTo writes to one member of etcd again and again until the test ends.
func (w *world) listenTo(h *testbed.Host) *silence {
	w.t.Helper()
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{etcdURL(h)}, Logger: zap.NewNop()})
	if err != nil {
		w.t.Fatal(err)
	}
	s := &silence{last: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			try, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			_, err := c.Put(try, "probe", "x")
			cancel()
			if err == nil {
				s.mu.Lock()
				s.longest = max(s.longest, time.Since(s.last))
				s.last = time.Now()
				s.mu.Unlock()
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
		c.Close()
	})
	return s
}

// since is how long it was silent at most since a moment.
func (s *silence) most() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	longest := max(s.longest, time.Since(s.last))
	s.longest, s.last = 0, time.Now()
	return longest
}

func (w *world) revision(h *testbed.Host) int64 {
	w.t.Helper()
	var revision int64
	w.eventually(soon, "etcd tells its revision", func() (bool, string) {
		c, err := clientv3.New(clientv3.Config{Endpoints: []string{etcdURL(h)}, Logger: zap.NewNop()})
		if err != nil {
			return false, err.Error()
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(w.ctx(), 2*time.Second)
		defer cancel()
		got, err := c.Get(ctx, "any", clientv3.WithCountOnly())
		if err == nil {
			revision = got.Header.Revision
		}
		return err == nil, fmt.Sprint(err)
	})
	return revision
}

func TestTheStoreIsRecoveredFromOneMemberAndUnitsNeverNotice(t *testing.T) {
	w := start(t, testbed.Spec{Name: "recover", Hosts: 4}) // three of them with a member
	h1, h2, h3, h4 := w.host(1), w.host(2), w.host(3), w.host(4)
	hosts := w.launchAll(map[unit.Name]string{"one.service": on(h1), "four.service": on(h4), "lost.service": on(h2)})
	w.put("free.service", stamped, cluster.Launched)
	w.await(soon, "free.service", "it runs", runs)
	delete(hosts, "lost.service")
	before := w.lives(hosts)
	fleetd := w.show(h1, "fleetd.service", "MainPID")
	revision := w.revision(h1)

	w.storeCtl(h1, 7, "recover", "--yes") // there is nothing to recover
	lost := time.Now()
	w.powerLoss(h2)
	w.powerLoss(h3)
	w.eventually(soon, "the API says that it has no etcd", func() (bool, string) {
		_, err := w.via(h1).Units(t.Context())
		return err != nil, fmt.Sprint(err)
	})
	if out := w.storeCtl(h1, 0, "status"); !strings.Contains(out, "No majority of the members serves") {
		t.Error("status does not say that the majority is lost")
	}
	w.storeCtl(h1, 7, "recover") // there is nobody to ask
	w.sameLives(before, hosts, "a while without a majority")

	s := w.listenTo(h1)
	out := w.storeCtl(h1, 0, "recover", "--yes")
	for _, line := range []string{"h2 at " + peerURL(h2), "fleetctl store replace h3"} {
		if !strings.Contains(out, line) {
			t.Errorf("recover does not say %q", line)
		}
	}
	t.Logf("MEASURED recover: etcd takes writes %s after the loss, %s without answer after it was asked for", time.Since(lost).Round(time.Millisecond), s.most().Round(time.Millisecond))
	w.awaitMachines(2*soon, h1, h4)
	t.Logf("MEASURED recover: all machines that are left are there %s after the loss", time.Since(lost).Round(time.Millisecond))
	w.launch("after.service", stamped)
	w.sameLives(before, hosts, "the recovery of etcd")
	if now := w.show(h1, "fleetd.service", "MainPID"); now != fleetd {
		t.Errorf("fleetd was process %s and is %s", fleetd, now)
	}
	if now := w.revision(h1); now <= revision {
		t.Errorf("the revision went from %d to %d", revision, now)
	}

	// One lost host is back with nothing, the other with what it had. Both are machines at once.
	if err := h2.RemoveAll(etcdData); err != nil {
		t.Fatal(err)
	}
	w.powerOn(h2)
	w.powerOn(h3)
	w.awaitMachines(3*soon, h1, h2, h3, h4)
	w.await(2*soon, "lost.service", "it runs again", runsOn(h2))
	w.storeCtl(h4, 0, "replace", "h2")
	w.storeCtl(h1, 0, "replace", "h3")
	w.awaitStore(soon, h4, "three members serve", complete(3))
	w.storeCtl(h4, 0, "status")
	if files := w.sh(h3, "ls "+etcdData); !strings.Contains(files, "removed") {
		t.Errorf("what h3 had is not put aside: %s", files)
	}
	w.sameLives(before, hosts, "the return of the others")

	// Now any one may go again.
	w.powerLoss(h1)
	w.await(2*soon, "free.service", "it runs somewhere", runsOff(h1))
	w.eventually(soon, "a unit can be submitted", func() (bool, string) {
		_, err := w.any().PutFile(t.Context(), "again.service", []byte(stamped), api.PutFileOptions{Desired: cluster.Launched})
		return err == nil, fmt.Sprint(err) // what was under way through the lost member fails
	})
	w.await(2*soon, "again.service", "it runs", runs)
	delete(hosts, "one.service")
	w.sameLives(before, hosts, "the loss of the member that was recovered")
}

func TestASnapshotIsRestoredAndNothingGoesBackwards(t *testing.T) {
	w := start(t, testbed.Spec{Name: "restore", Hosts: 3})
	h1 := w.host(1)
	hosts := w.launchAll(map[unit.Name]string{"a.service": on(h1), "b.service": on(w.host(2)), "c.service": on(w.host(3))})
	file := filepath.Join(t.TempDir(), "snapshot.db")
	w.storeCtl(w.host(2), 0, "snapshot", file)

	// Since then: one was restarted, one submitted, one destroyed.
	if _, err := w.any().Restart(t.Context(), "a.service"); err != nil {
		t.Fatal(err)
	}
	was := w.unit("a.service").Generation
	w.await(soon, "a.service", "it was restarted", func(u api.Unit) bool { return runs(u) && u.Generation >= was })
	hosts["later.service"] = w.launch("later.service", on(h1))
	later := w.unit("later.service").Generation
	before := w.lives(hosts)
	revision := w.revision(h1)
	sessions := w.sessions()

	damaged := filepath.Join(t.TempDir(), "damaged.db")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, bytes.Replace(data, []byte("a.service"), []byte("x.service"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	w.storeCtl(h1, 7, "restore", damaged, "--yes")
	s := w.listenTo(h1)
	s.most()
	began := time.Now()
	w.storeCtl(h1, 0, "restore", file, "--yes")
	t.Logf("MEASURED restore: etcd takes no writes for %s", s.most().Round(time.Millisecond))
	w.awaitMachines(3*soon, w.Hosts()...)
	t.Logf("MEASURED restore: all machines are there after %s", time.Since(began).Round(time.Millisecond))

	w.eventually(soon, "all show a.service as the snapshot has it", func() (bool, string) {
		for _, h := range w.Hosts() {
			u, err := w.via(h).Unit(t.Context(), "a.service")
			if err != nil || u.Generation >= was {
				return false, fmt.Sprint(h.Name, u, err)
			}
		}
		return true, ""
	})
	w.awaitAll(2*soon, []unit.Name{"a.service", "b.service", "c.service"}, "they run", runs)
	w.unchanged(2*shortTTL, "a.service", "b.service", "c.service")
	w.sameLives(before, hosts, "the restore of a snapshot")
	if now := w.revision(h1); now <= revision {
		t.Errorf("the revision went from %d to %d", revision, now)
	}
	for id, now := range w.sessions() {
		if now == sessions[id] {
			t.Errorf("machine %s is in the same session as before", id.Short())
		}
	}
	// What came later is known no more, and runs. It is submitted again.
	if _, err := w.any().Unit(t.Context(), "later.service"); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("later.service is known: %v", err)
	}
	w.launch("later.service", on(h1))
	if now := w.unit("later.service").Generation; now <= later {
		t.Errorf("later.service had generation %d and has %d", later, now)
	}
	if _, err := w.any().Restart(t.Context(), "a.service"); err != nil {
		t.Fatal(err)
	}
	w.await(soon, "a.service", "it is restarted anew", func(u api.Unit) bool { return runs(u) && u.Generation > was })
	delete(hosts, "a.service")
	delete(hosts, "later.service")

	w.storeCtl(h1, 0, "replace", "h2")
	w.storeCtl(h1, 0, "replace", "h3")
	w.awaitStore(soon, h1, "three members serve", complete(3))
	w.sameLives(before, hosts, "the return of the other members")
}

// sessions are those of all machines, as the records have them.
func (w *world) sessions() map[cluster.MachineID]string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx(), 5*time.Second)
	defer cancel()
	got, err := w.etcd().Get(ctx, "/fleet/machines/", clientv3.WithPrefix())
	if err != nil {
		w.t.Fatal(err)
	}
	all := make(map[cluster.MachineID]string)
	for _, kv := range got.Kvs {
		all[cluster.MachineID(filepath.Base(string(kv.Key)))] = fmt.Sprintf("%x", kv.Lease)
	}
	return all
}

// memberise has a host's fleetd run a member, as store add says, or none.
func (w *world) memberise(h *testbed.Host, said string) {
	w.t.Helper()
	raw, err := h.ReadFile(fleetConf)
	if err != nil {
		w.t.Fatal(err)
	}
	config := regexp.MustCompile(`(?m)^etcd_.*\n`).ReplaceAllString(string(raw), "")
	for _, setting := range regexp.MustCompile(`(?m)^ +(etcd_\w+ = .*)$`).FindAllStringSubmatch(said, -1) {
		config += setting[1] + "\n"
	}
	config += "etcd_listen_peer_urls = " + peerURL(h) + "\netcd_listen_client_urls = " + etcdURL(h) + "\n"
	if err := h.WriteFile(fleetConf, []byte(config), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := h.RestartFleetd(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

func TestMembersOfTheStoreAreAddedAndRemoved(t *testing.T) {
	w := start(t, testbed.Spec{Name: "members", Hosts: 5}) // three of them with a member
	files := make(map[unit.Name]string)
	for _, h := range w.Hosts() {
		files[unit.Name(h.Name+".service")] = on(h)
	}
	hosts := w.launchAll(files)
	before := w.lives(hosts)
	s := w.listenTo(w.host(1))
	s.most()
	for _, h := range w.Hosts()[3:] {
		said := w.storeCtl(w.host(5), 0, "add", h.Name, peerURL(h), "--no-block")
		w.memberise(h, said)
		w.awaitStore(2*soon, w.host(2), h.Name+" counts", complete(h.Index))
	}
	t.Logf("MEASURED two members more: etcd takes no writes for %s at most", s.most().Round(time.Millisecond))
	w.storeCtl(w.host(4), 0, "status")

	// Two of five may be lost.
	w.powerLoss(w.host(2))
	w.powerLoss(w.host(3))
	w.launch("meanwhile.service", on(w.host(1)))
	w.storeCtl(w.host(1), 7, "remove", "h4")
	w.storeCtl(w.host(1), 7, "add", "h9", "http://192.0.2.1:2380")
	w.storeCtl(w.host(5), 0, "remove", "h2")
	w.storeCtl(w.host(5), 0, "remove", "h3")
	w.awaitStore(soon, w.host(1), "three members serve", complete(3))

	// They come back, and are machines without a member.
	w.powerOn(w.host(2))
	w.powerOn(w.host(3))
	w.awaitMachines(3*soon, w.Hosts()...)
	w.storeCtl(w.host(2), 0, "status")

	// The one that leads is removed, while it serves.
	var leader *testbed.Host
	for _, m := range w.awaitStore(soon, w.host(1), "a member leads", func(s api.StoreStatus) bool {
		return slices.ContainsFunc(s.Members, func(m api.StoreMember) bool { return m.Leader })
	}).Members {
		if m.Leader {
			leader = w.Hosts()[slices.IndexFunc(w.Hosts(), func(h *testbed.Host) bool { return h.Name == m.Name })]
		}
	}
	w.storeCtl(leader, 0, "remove", leader.Name)
	w.awaitMachines(2*soon, w.Hosts()...)
	w.launch("afterwards.service", on(leader))
	delete(hosts, "h2.service")
	delete(hosts, "h3.service")
	w.sameLives(before, hosts, "changes of the members")
}

func TestWithOneMemberGoneAndAfterACompactionTheClusterGoesOn(t *testing.T) {
	w := start(t, testbed.Spec{Name: "compact", Hosts: 3})
	hosts := w.launchAll(map[unit.Name]string{"a.service": on(w.host(1)), "b.service": on(w.host(2))})
	before := w.lives(hosts)
	leader := w.etcdLeader()
	rest := w.others(leader)
	s := w.listenTo(rest[0])
	s.most()
	w.powerLoss(leader)
	w.launch("c.service", on(rest[0]))
	t.Logf("MEASURED the leading member is gone: etcd takes no writes for %s", s.most().Round(time.Millisecond))
	w.powerOn(leader)
	w.awaitMachines(2*soon, w.Hosts()...)

	// A fleetd is cut off from etcd's past.
	if err := rest[1].PauseFleetd(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.put("d.service", on(rest[0]), cluster.Launched)
	c := w.etcd()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Compact(ctx, w.revision(rest[0]), clientv3.WithCompactPhysical()); err != nil {
		t.Fatal(err)
	}
	if err := rest[1].ResumeFleetd(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.awaitMachines(2*soon, w.Hosts()...)
	w.eventually(2*soon, "the one that was away shows what came meanwhile", func() (bool, string) {
		u, err := w.via(rest[1]).Unit(t.Context(), "d.service")
		return err == nil && runs(u), fmt.Sprint(u, err)
	})
	for name, h := range hosts {
		if h == leader {
			delete(hosts, name)
		}
	}
	w.sameLives(before, hosts, "the loss of a member and a compaction")
}

// slowDisk puts a disk of its own under a host's etcd, which can be made to stall. What it has is what was there.
func (w *world) slowDisk(h *testbed.Host) (stall func(time.Duration)) {
	w.t.Helper()
	image := filepath.Join(w.t.TempDir(), "disk")
	w.local("truncate", "-s", "512M", image)
	w.local("mkfs.ext4", "-q", "-F", image)
	device := strings.TrimSpace(w.local("losetup", "--find", "--show", image))
	w.t.Cleanup(func() { w.local("losetup", "--detach", device) })
	leader, err := h.Leader()
	if err != nil {
		w.t.Fatal(err)
	}
	number := strings.TrimPrefix(device, "/dev/loop")
	w.sh(h, "systemctl stop fleetd.service")
	w.sh(h, fmt.Sprintf("mknod /dev/loop%s b 7 %s && mkdir /mnt/disk && mount /dev/loop%s /mnt/disk && cp -a %s/. /mnt/disk/ && umount /mnt/disk && mount /dev/loop%[1]s %[4]s",
		number, number, number, etcdData))
	w.sh(h, "systemctl start fleetd.service")
	return func(d time.Duration) {
		w.t.Helper()
		freeze := func(flag string) {
			w.local("nsenter", "--target", fmt.Sprint(leader), "--mount", "--root", "fsfreeze", flag, etcdData)
		}
		freeze("--freeze")
		time.Sleep(d)
		freeze("--unfreeze")
	}
}

// local runs a command on this machine.
func (w *world) local(args ...string) string {
	w.t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestADiskThatStallsMovesNothing(t *testing.T) {
	w := start(t, testbed.Spec{Name: "slow", Hosts: 3, TTL: testbed.DefaultTTL})
	hosts := w.launchAll(map[unit.Name]string{"a.service": on(w.host(1)), "b.service": on(w.host(2)), "c.service": on(w.host(3)), "d.service": stamped})
	before := w.lives(hosts)
	h := w.host(2)
	stall := w.slowDisk(h)
	w.awaitMachines(2*soon, w.Hosts()...)
	sessions := w.sessions()
	other := w.host(1)
	s := w.listenTo(other)
	for _, d := range []time.Duration{700 * time.Millisecond, 2 * time.Second, 4 * time.Second} {
		// Let it be the one that leads, whose disk all wait for.
		w.eventually(soon, "its member leads", func() (bool, string) {
			c := w.etcd()
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			status, err := c.Status(ctx, etcdURL(h))
			if err != nil {
				return false, err.Error()
			}
			if status.Leader == status.Header.MemberId {
				return true, ""
			}
			at := w.etcdLeader()
			one, err := clientv3.New(clientv3.Config{Endpoints: []string{etcdURL(at)}, Logger: zap.NewNop()})
			if err != nil {
				return false, err.Error()
			}
			defer one.Close()
			_, err = one.MoveLeader(ctx, status.Header.MemberId)
			return false, fmt.Sprint(err)
		})
		s.most()
		stall(d)
		w.awaitMachines(soon, w.Hosts()...)
		t.Logf("MEASURED the leading member's disk stalls for %s: etcd takes no writes for %s", d, s.most().Round(time.Millisecond))
	}
	w.launch("e.service", on(h))
	w.sameLives(before, hosts, "a disk that stalled")
	for id, now := range w.sessions() {
		if now != sessions[id] {
			t.Errorf("machine %s has a new session", id.Short())
		}
	}
}

func TestTheMembersOfAnEtcdThatIsNotEmbeddedAreNotFleets(t *testing.T) {
	w := start(t, testbed.Spec{Name: "foreign", Hosts: 1, ExternalEtcd: true})
	h := w.host(1)
	if out := w.storeCtl(h, 0, "status"); !strings.Contains(out, "its members are not fleet's") {
		t.Error("status does not say whose the members are")
	}
	for _, args := range [][]string{{"add", "d", "http://192.0.2.4:2380"}, {"remove", "e1"}, {"replace", "e1"}, {"recover", "--yes"}} {
		if out := w.storeCtl(h, 7, args...); !strings.Contains(out, "are not fleet's") {
			t.Errorf("store %s does not say why not", args[0])
		}
	}
	file := filepath.Join(t.TempDir(), "snapshot.db")
	w.storeCtl(h, 0, "snapshot", file)
	if info, err := os.Stat(file); err != nil || info.Size() < 4096 {
		t.Errorf("the snapshot: %v %v", info, err)
	}
	w.storeCtl(h, 7, "restore", file, "--yes")
}
