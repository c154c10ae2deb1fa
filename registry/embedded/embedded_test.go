package embedded_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"fleet/registry/embedded"
	"fleet/registry/storetest"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// members are the settings of a cluster of n.
func members(t *testing.T, n int) []embedded.Config {
	if testing.Short() {
		t.Skip("starts an etcd")
	}
	var configs []embedded.Config
	var initial []string
	for i := range n {
		c := embedded.Config{
			Name:             fmt.Sprintf("m%d", i),
			DataDir:          t.TempDir(),
			ListenPeerURLs:   []string{storetest.FreeURL(t)},
			ListenClientURLs: []string{storetest.FreeURL(t)},
		}
		initial = append(initial, c.Name+"="+c.ListenPeerURLs[0])
		configs = append(configs, c)
	}
	for i := range configs {
		configs[i].InitialCluster = strings.Join(initial, ",")
	}
	return configs
}

func start(t *testing.T, c embedded.Config) *embedded.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := embedded.Start(ctx, c)
	must(t, err)
	return s
}

func client(t *testing.T, endpoints ...string) *clientv3.Client {
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, Logger: zap.NewNop()})
	must(t, err)
	t.Cleanup(func() { must(t, c.Close()) })
	return c
}

func TestOneMemberKeepsItsData(t *testing.T) {
	c := members(t, 1)[0]
	var log strings.Builder
	c.Logger = slog.New(slog.NewTextHandler(&log, nil))
	s := start(t, c)
	_, err := client(t, s.Endpoints()...).Put(t.Context(), "x", "1")
	must(t, err)
	s.Close()
	if err, open := <-s.Err(); open {
		t.Errorf("a closed member reports %v", err)
	}

	s = start(t, c)
	defer s.Close()
	resp, err := client(t, s.Endpoints()...).Get(t.Context(), "x")
	must(t, err)
	if len(resp.Kvs) != 1 {
		t.Error("the value is gone after a restart")
	}
	if strings.Contains(log.String(), "level=INFO") {
		t.Errorf("etcd is talkative:\n%s", log.String())
	}
}

func TestMemberWaitsForItsPeers(t *testing.T) {
	configs := members(t, 3)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	began := time.Now()
	_, err := embedded.Start(ctx, configs[0])
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a member without its peers: %v", err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("giving up took %s", took)
	}

	// And it gives up without harm: later, with a peer, it starts.
	var wg sync.WaitGroup
	for _, c := range configs[:2] {
		wg.Go(func() {
			s, err := embedded.Start(t.Context(), c)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(s.Close)
		})
	}
	wg.Wait()
}

func TestOccupiedAddressIsAnError(t *testing.T) {
	c := members(t, 1)[0]
	defer start(t, c).Close()
	c.DataDir = t.TempDir()
	if _, err := embedded.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second member at the same address: %v", err)
	}
}

// TestMain runs this program as a member of etcd if it is told to, so that a
// test can kill one without giving it time to hand over.
func TestMain(m *testing.M) {
	if config := os.Getenv("FLEET_TEST_MEMBER"); config != "" {
		runMember(config)
	}
	// The tests of members wait more than they compute. The command line has the last word.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func runMember(config string) {
	var c embedded.Config
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		panic(err)
	}
	s, err := embedded.Start(context.Background(), c)
	if err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test has ended
	s.Close()
	os.Exit(0)
}

// spawn starts a member as a process of its own.
func spawn(t *testing.T, c embedded.Config) *exec.Cmd {
	t.Helper()
	config, err := json.Marshal(c)
	must(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FLEET_TEST_MEMBER="+string(config))
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // killed, or ended with its input
	})
	return cmd
}

func TestLeaseEndsInTimeWhenTheLeaderIsKilled(t *testing.T) {
	configs := members(t, 3)
	var processes []*exec.Cmd
	for _, c := range configs {
		processes = append(processes, spawn(t, c))
	}
	leader := awaitLeader(t, configs)
	survivor := (leader + 1) % len(configs)
	c := client(t, configs[survivor].ListenClientURLs...)
	const ttl = 2 * time.Second
	lease, err := c.Grant(t.Context(), int64(ttl/time.Second))
	must(t, err)
	put, err := c.Put(t.Context(), "x", "", clientv3.WithLease(lease.ID))
	must(t, err)
	_, err = c.KeepAliveOnce(t.Context(), lease.ID)
	must(t, err)
	renewed := time.Now()

	must(t, processes[leader].Process.Kill())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for resp := range c.Watch(ctx, "x", clientv3.WithRev(put.Header.Revision+1)) {
		must(t, resp.Err())
		break
	}
	must(t, ctx.Err())
	took := time.Since(renewed)
	t.Logf("a lease of %s ended %s after its last renewal", ttl, took)
	if took < ttl || took > ttl+embedded.LeaseSlack {
		t.Errorf("a lease of %s ended %s after its last renewal, want at most %s late", ttl, took, embedded.LeaseSlack)
	}
}

// awaitLeader returns which of the members leads, once there is one and all know it.
func awaitLeader(t *testing.T, configs []embedded.Config) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for ctx.Err() == nil {
		leader, agreed := 0, 0
		for i, c := range configs {
			status, err := client(t, c.ListenClientURLs...).Status(ctx, c.ListenClientURLs[0])
			if err != nil || status.Leader == 0 {
				break
			}
			if agreed++; status.Leader == status.Header.MemberId {
				leader = i
			}
		}
		if agreed == len(configs) {
			return leader
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("no leader within a minute")
	return 0
}

// Another machine's watch does not hold up the stop of a member, and with it the
// restart of fleetd: while it stops, nobody renews this machine's lease.
func TestAMemberStopsAtOnceHoweverManyStreamsItServes(t *testing.T) {
	s := start(t, members(t, 1)[0])
	c := client(t, s.Endpoints()...)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := c.Watch(clientv3.WithRequireLeader(ctx), "key", clientv3.WithCreatedNotify())
	if r := <-watch; !r.Created {
		t.Fatalf("watch: %+v", r)
	}
	lease, err := c.Grant(ctx, 60)
	must(t, err)
	alive, err := c.KeepAlive(ctx, lease.ID)
	must(t, err)
	<-alive

	began := time.Now()
	s.Close()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s to stop", took)
	}
}
