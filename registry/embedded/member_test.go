package embedded_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"fleet/registry/embedded"
)

// running is a member with its Run.
type running struct {
	*embedded.Member
	config embedded.Config
	stop   func() // as a host that is switched off, but in good order

	mu        sync.Mutex
	endpoints []string
}

func (r *running) uses() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.endpoints
}

// runMember runs a member until the test ends, or stop is called.
func run(t *testing.T, c embedded.Config) *running {
	t.Helper()
	r := &running{config: c}
	c.Endpoints = func(urls []string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.endpoints = urls
	}
	c.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})).With("member", c.Name)
	m, err := embedded.NewMember(c)
	must(t, err)
	r.Member = m
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("member %s: %v", c.Name, err)
		}
	})
	t.Cleanup(r.stop)
	return r
}

func runAll(t *testing.T, configs []embedded.Config) []*running {
	t.Helper()
	var all []*running
	for _, c := range configs {
		all = append(all, run(t, c))
	}
	for _, r := range all {
		r.await(t, "")
	}
	return all
}

// await waits until the member's condition begins so.
func (r *running) await(t *testing.T, condition string) {
	t.Helper()
	eventually(t, func() string {
		if now := r.Condition(); now != condition && (condition == "" || !strings.HasPrefix(now, condition)) {
			return fmt.Sprintf("member %s is %q, not %q", r.config.Name, now, condition)
		}
		if condition == "" && len(r.uses()) == 0 {
			return "it has not said where it serves"
		}
		return ""
	})
}

func eventually(t *testing.T, wrong func() string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		what := wrong()
		if what == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (r *running) client(t *testing.T) *clientv3.Client {
	return client(t, r.config.ListenClientURLs...)
}

// soonCtx bounds one request.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func put(t *testing.T, c *clientv3.Client, key, value string, opts ...clientv3.OpOption) int64 {
	t.Helper()
	resp, err := c.Put(within(t), key, value, opts...)
	must(t, err)
	return resp.Header.Revision
}

// get is the value of a key, "" if there is none, and the revision of the store.
func get(t *testing.T, c *clientv3.Client, key string) (string, int64) {
	t.Helper()
	resp, err := c.Get(within(t), key)
	must(t, err)
	if len(resp.Kvs) == 0 {
		return "", resp.Header.Revision
	}
	return string(resp.Kvs[0].Value), resp.Header.Revision
}

func expect(t *testing.T, c *clientv3.Client, key, want string) int64 {
	t.Helper()
	got, revision := get(t, c, key)
	if got != want {
		t.Errorf("%s is %q, not %q", key, got, want)
	}
	return revision
}

func names(t *testing.T, c *clientv3.Client) []string {
	t.Helper()
	resp, err := c.MemberList(within(t))
	must(t, err)
	var all []string
	for _, m := range resp.Members {
		name := m.Name
		if m.IsLearner {
			name += " (learns)"
		}
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// add adds a member, as soon as etcd is sure of the health of the others.
func add(t *testing.T, c *clientv3.Client, member embedded.Config) (id uint64) {
	t.Helper()
	eventually(t, func() string {
		added, err := c.MemberAddAsLearner(within(t), member.ListenPeerURLs)
		if err != nil {
			return err.Error()
		}
		id = added.Member.ID
		return ""
	})
	return id
}

// remove removes a member, as soon as etcd is sure of the health of the others.
func remove(t *testing.T, c *clientv3.Client, id uint64) {
	t.Helper()
	eventually(t, func() string {
		if _, err := c.MemberRemove(within(t), id); err != nil {
			return err.Error()
		}
		return ""
	})
}

func TestOneOfThreeMembersIsRecovered(t *testing.T) {
	t.Parallel()
	configs := members(t, 3)
	all := runAll(t, configs)
	c := all[0].client(t)
	lease, err := c.Grant(within(t), 60)
	must(t, err)
	put(t, c, "session", "alive", clientv3.WithLease(lease.ID))
	before := put(t, c, "unit", "1")
	watched := c.Watch(clientv3.WithRequireLeader(t.Context()), "unit", clientv3.WithRev(before+1))

	all[1].stop()
	all[2].stop()
	limited, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Put(limited, "unit", "unheard"); err == nil {
		t.Fatal("one of three members takes writes")
	}
	must(t, all[0].Recover(within(t)))

	after := expect(t, c, "session", "alive")
	if got, _ := get(t, c, "unit"); got != "1" && got != "unheard" {
		t.Errorf("unit is %q", got)
	}
	if after < before+embedded.Leap {
		t.Errorf("the revision went from %d to %d", before, after)
	}
	if _, err := c.KeepAliveOnce(within(t), lease.ID); err != nil {
		t.Errorf("the lease is gone: %v", err)
	}
	if resp, open := <-watched; open && resp.CompactRevision == 0 && resp.Err() == nil {
		t.Errorf("who watched from before is told %+v, not to read anew", resp)
	}
	if got := names(t, c); !slices.Equal(got, []string{"m0"}) {
		t.Errorf("the members are %v", got)
	}
	put(t, c, "unit", "2")

	// The lost ones come back with what they had, even with a majority of the former cluster. They find
	// that they were removed, put their data aside, and use the other one.
	back := []*running{run(t, configs[1]), run(t, configs[2])}
	for _, r := range back {
		r.await(t, "waits: the members of the cluster know no member at")
		if got := r.uses(); !slices.Equal(got, configs[0].ListenClientURLs) {
			t.Errorf("meanwhile %s uses %v", r.config.Name, got)
		}
		if _, err := os.Stat(filepath.Join(r.config.DataDir, "removed")); err != nil {
			t.Errorf("its former data: %v", err)
		}
	}
	// They are added, and have what the recovered one has.
	for _, r := range back {
		add(t, c, r.config)
	}
	for _, r := range back {
		r.await(t, "")
		got := expect(t, r.client(t), "unit", "2")
		expect(t, r.client(t), "session", "alive")
		if got < after {
			t.Errorf("at %s the revision is %d, and was %d", r.config.Name, got, after)
		}
	}
	if got := names(t, c); !slices.Equal(got, []string{"m0", "m1", "m2"}) {
		t.Errorf("the members are %v", got)
	}
	// Now any one may go.
	all[0].stop()
	put(t, back[0].client(t), "unit", "3")
	expect(t, back[1].client(t), "unit", "3")
}

func snapshot(t *testing.T, c *clientv3.Client) string {
	t.Helper()
	from, err := c.Snapshot(within(t))
	must(t, err)
	defer from.Close()
	data, err := io.ReadAll(from)
	must(t, err)
	return string(data)
}

func TestASnapshotIsRestoredAndNothingGoesBackwards(t *testing.T) {
	t.Parallel()
	configs := members(t, 3)
	all := runAll(t, configs)
	c := all[0].client(t)
	lease, err := c.Grant(within(t), 60)
	must(t, err)
	put(t, c, "session", "old", clientv3.WithLease(lease.ID))
	put(t, c, "unit", "1")
	taken := snapshot(t, c)
	put(t, c, "unit", "2")
	before := put(t, c, "later", "x")

	for _, bad := range []string{"", "nonsense", taken[:len(taken)-1], strings.Replace(taken, "unit", "tinu", 1)} {
		if err := all[0].Restore(within(t), strings.NewReader(bad)); err == nil {
			t.Errorf("%d bytes that are no snapshot are restored", len(bad))
		}
	}
	expect(t, c, "unit", "2")

	must(t, all[0].Restore(within(t), strings.NewReader(taken)))
	expect(t, c, "unit", "1")
	expect(t, c, "later", "")
	expect(t, c, "session", "")
	after := put(t, c, "unit", "3")
	if after <= before+embedded.Leap {
		t.Errorf("the revision went from %d to %d", before, after)
	}
	if _, err := c.KeepAliveOnce(within(t), lease.ID); err == nil {
		t.Error("a lease of the snapshot's time lives")
	}
	// The others, which had what was written since, are told so while they run.
	for _, r := range all[1:] {
		r.await(t, "waits: the members of the cluster know no member at")
		add(t, c, r.config)
		r.await(t, "")
		expect(t, r.client(t), "unit", "3")
		expect(t, r.client(t), "later", "")
		expect(t, r.client(t), "session", "")
	}
	// And it lasts.
	all[0].stop()
	again := run(t, configs[0])
	again.await(t, "")
	if now := expect(t, c, "unit", "3"); now < after {
		t.Errorf("after a restart the revision went from %d to %d", after, now)
	}
}

func TestASnapshotIsRestoredWhereNothingIsLeft(t *testing.T) {
	t.Parallel()
	one := members(t, 1)[0]
	r := run(t, one)
	r.await(t, "")
	c := r.client(t)
	before := put(t, c, "unit", "1")
	taken := snapshot(t, c)
	r.stop()

	// One of three, of which no other comes.
	alone := members(t, 3)[0]
	r = run(t, alone)
	r.await(t, "starts: ")
	if err := r.Recover(within(t)); err == nil || !strings.Contains(err.Error(), "no data") {
		t.Errorf("recovered out of nothing: %v", err)
	}
	must(t, r.Restore(within(t), strings.NewReader(taken)))
	if after := expect(t, r.client(t), "unit", "1"); after <= before {
		t.Errorf("the revision went from %d to %d", before, after)
	}
	if got := names(t, r.client(t)); !slices.Equal(got, []string{"m0"}) {
		t.Errorf("the members are %v", got)
	}
}

func TestAMemberThatHasLostItsDataWaitsUntilItIsReplaced(t *testing.T) {
	t.Parallel()
	configs := members(t, 3)
	all := runAll(t, configs)
	c := all[0].client(t)
	put(t, c, "unit", "1")
	all[2].stop()
	must(t, os.RemoveAll(configs[2].DataDir))

	wiped := run(t, configs[2])
	wiped.await(t, "waits: this member has lost its data")
	expect(t, client(t, wiped.uses()...), "unit", "1")

	resp, err := c.MemberList(within(t))
	must(t, err)
	for _, m := range resp.Members {
		if m.Name == "m2" {
			remove(t, c, m.ID)
		}
	}
	wiped.await(t, "waits: the members of the cluster know no member at")
	add(t, c, configs[2])
	wiped.await(t, "")
	expect(t, wiped.client(t), "unit", "1")
	if got := names(t, c); !slices.Equal(got, []string{"m0", "m1", "m2"}) {
		t.Errorf("the members are %v", got)
	}
}

func TestAFourthMemberJoinsByItselfAndIsRemovedWithoutHarm(t *testing.T) {
	t.Parallel()
	configs := members(t, 4)
	first := strings.Split(configs[0].InitialCluster, ",")
	for i := range 3 {
		configs[i].InitialCluster = strings.Join(first[:3], ",")
	}
	all := runAll(t, configs[:3])
	c := all[0].client(t)
	put(t, c, "unit", "1")

	fourth := run(t, configs[3])
	fourth.await(t, "waits: the members of the cluster know no member at")
	added := add(t, c, configs[3])
	fourth.await(t, "")
	expect(t, fourth.client(t), "unit", "1")

	remove(t, c, added)
	fourth.await(t, "waits: the members of the cluster know no member at")
	expect(t, client(t, fourth.uses()...), "unit", "1")
}

func TestWhatWasInterruptedInARebuildingIsFinished(t *testing.T) {
	t.Parallel()
	configs := members(t, 3)
	all := runAll(t, configs)
	before := put(t, all[0].client(t), "unit", "1")
	for _, r := range all {
		r.stop()
	}
	// The power went before anything was done.
	note := fmt.Sprintf(`{"restore":false,"revision":%d}`, before+embedded.Leap)
	must(t, os.WriteFile(filepath.Join(configs[0].DataDir, "rebuild.json"), []byte(note), 0o600))
	r := run(t, configs[0])
	r.await(t, "")
	if after := expect(t, r.client(t), "unit", "1"); after < before+embedded.Leap {
		t.Errorf("the revision went from %d to %d", before, after)
	}
	if got := names(t, r.client(t)); !slices.Equal(got, []string{"m0"}) {
		t.Errorf("the members are %v", got)
	}
}

func TestAMemberThatWaitsInVainForTheOthersIsRecovered(t *testing.T) {
	t.Parallel()
	configs := members(t, 3)
	all := runAll(t, configs)
	put(t, all[0].client(t), "unit", "1")
	for _, r := range all {
		r.stop()
	}
	r := run(t, configs[0])
	r.await(t, "starts: it waits for enough of the other members")
	known := r.Known()
	if len(known) != 3 || !slices.ContainsFunc(known, func(k embedded.Known) bool { return k.Local && k.Name == "m0" }) {
		t.Errorf("it knows %+v", known)
	}
	must(t, r.Recover(within(t)))
	expect(t, r.client(t), "unit", "1")
	if got := names(t, r.client(t)); !slices.Equal(got, []string{"m0"}) {
		t.Errorf("the members are %v", got)
	}
}
