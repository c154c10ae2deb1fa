package testbed

import (
	"context"
	"os"
	"strings"
	"time"
)

// T is what Start needs of a *testing.T.
type T interface {
	Helper()
	Cleanup(func())
	Context() context.Context
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// StartDeadline is how long Start waits for a cluster: the first one on a machine
// makes the root file system too.
const StartDeadline = 3 * time.Minute

// Start brings a cluster up for a test, waits until fleet answers on all of its
// hosts (unless it is Bare), and takes it down with the test. What a killed run
// left under the same name is swept first. A failed test gets the logs of all
// fleetds; with FLEET_TESTBED_KEEP set its cluster is left for scripts/cluster
// --name to look at.
func Start(t T, spec Spec) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), StartDeadline)
	defer cancel()
	if err := Down(ctx, spec.Name); err != nil {
		t.Fatalf("sweep cluster %s: %v", spec.Name, err)
	}
	t.Cleanup(func() { stop(t, spec.Name) })
	c, err := Up(ctx, spec, func(string) {})
	if err != nil {
		t.Fatalf("bring cluster %s up: %v", spec.Name, err)
	}
	if spec.Bare {
		return c
	}
	if err := c.WaitMachines(ctx); err != nil {
		t.Fatalf("bring cluster %s up: %v", spec.Name, err)
	}
	return c
}

func stop(t T, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if t.Failed() {
		logAll(ctx, t, name)
		if os.Getenv("FLEET_TESTBED_KEEP") != "" {
			t.Logf("left for you: scripts/cluster --name %s list", name)
			return
		}
	}
	if err := Down(ctx, name); err != nil {
		t.Logf("take cluster %s down: %v", name, err)
	}
}

func logAll(ctx context.Context, t T, name string) {
	c, err := Open(name)
	if err != nil {
		return // it failed before there was a cluster
	}
	for _, h := range c.Hosts() {
		logs, err := h.Logs(ctx, "--lines=200", "--output=short-precise")
		if err != nil {
			logs = err.Error()
		}
		t.Logf("fleetd on %s:\n%s", h.Name, logs)
	}
}

// Sweep takes down all clusters whose names have the prefix: what killed test runs
// have left.
func Sweep(ctx context.Context, prefix string) error {
	names, err := Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		if err := Down(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
