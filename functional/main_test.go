//go:build functional

// Package functional proves fleet on whole clusters of real hosts: systemd as
// PID 1, D-Bus, etcd and fleetd are the real ones, networks are really cut and
// hosts really lose their power. package testbed makes the hosts.
//
// Tests that leave their hosts in order share one cluster (shared); the others
// start one of their own (start). Nothing here sleeps for a fixed time: tests wait
// for what a user would see, with a deadline, or watch for a while that nothing
// happens which must not. What ran where and when is written down by package record
// from what every host's systemd tells; each test ends with a look at it (judge).
package functional

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"fleet/functional/record"
	"fleet/functional/testbed"
)

const (
	prefix = "tf-" // of the names of all clusters here
	source = ".."  // the root of the repository

	// shortTTL is the agent_ttl of most clusters: tests wait for leases to end.
	shortTTL = 5 * time.Second
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx := context.Background()
	// Each run sweeps the clusters of the other.
	unlock, err := testbed.Alone(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "wait for another run on this machine:", err)
		return 1
	}
	defer unlock()
	if err := testbed.Sweep(ctx, prefix); err != nil {
		fmt.Fprintln(os.Stderr, "sweep what an earlier run left:", err)
		return 1
	}
	code := m.Run()
	if os.Getenv("FLEET_TESTBED_KEEP") != "" && code != 0 {
		return code
	}
	if err := testbed.Down(ctx, sharedName); err != nil {
		fmt.Fprintln(os.Stderr, "take the shared cluster down:", err)
		return 1
	}
	return code
}

const sharedName = prefix + "shared"

// bringShared boots the shared cluster for the first test that wants it.
var bringShared = sync.OnceValues(func() (observed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), testbed.StartDeadline)
	defer cancel()
	c, err := testbed.Up(ctx, testbed.Spec{
		Name: sharedName, Hosts: 3, Source: source, TTL: shortTTL,
		Metadata: map[int]string{1: "disk=ssd,zone=a", 2: "disk=hdd,zone=b", 3: "disk=ssd,zone=b"},
	}, func(string) {})
	if err != nil {
		return observed{}, err
	}
	return observe(c), c.WaitMachines(ctx)
})

// shared returns the cluster of three hosts that tests have in common, without any
// unit, and has it so again after the test.
func shared(t testing.TB) *world {
	t.Helper()
	c, err := bringShared()
	if err != nil {
		t.Fatalf("bring the shared cluster up: %v", err)
	}
	w := newWorld(t, c)
	w.clear()
	w.start = record.Now()
	t.Cleanup(w.clear)
	t.Cleanup(w.logFailure)
	t.Cleanup(w.judge)
	return w
}

// start returns a cluster that is the test's own.
func start(t testing.TB, spec testbed.Spec) *world {
	t.Helper()
	spec.Name = prefix + spec.Name
	spec.Source = source
	if spec.TTL == 0 {
		spec.TTL = shortTTL
	}
	w := newWorld(t, observe(testbed.Start(t, spec)))
	t.Cleanup(w.witness.Close)
	t.Cleanup(w.judge)
	return w
}
