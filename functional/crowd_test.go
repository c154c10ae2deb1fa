//go:build functional

package functional

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

func numbered(format string, n int) []unit.Name {
	names := make([]unit.Name, n)
	for i := range names {
		names[i] = unit.Name(fmt.Sprintf(format, i))
	}
	return names
}

// clientsOf are clients of the hosts' APIs.
func (w *world) clientsOf(hosts ...*testbed.Host) []*api.Client {
	w.t.Helper()
	var clients []*api.Client
	for _, h := range hosts {
		clients = append(clients, w.via(h))
	}
	return clients
}

// launchThrough submits units at once, through the clients in turn.
func launchThrough(ctx context.Context, clients []*api.Client, names []unit.Name, text string) error {
	var group errgroup.Group
	group.SetLimit(10)
	for i, name := range names {
		group.Go(func() error {
			return launchOnce(ctx, clients[i%len(clients)], name, text)
		})
	}
	return group.Wait()
}

// launchOnce submits a unit. While etcd changes its leader a server cannot tell
// whether it has written something, and says so; asking again asks for the same.
func launchOnce(ctx context.Context, c *api.Client, name unit.Name, text string) error {
	for {
		_, err := c.PutFile(ctx, name, []byte(text), api.PutFileOptions{Desired: cluster.Launched})
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !errors.Is(err, cluster.ErrUnavailable) {
			return fmt.Errorf("submit %s: %w", name, err)
		}
		pause()
	}
}

// reloads is how often the host's systemd has read its unit files again since then.
func (w *world) reloads(h *testbed.Host, since time.Time) int {
	w.t.Helper()
	logs := w.exec(h, "journalctl", "_PID=1", "--output=cat", "--no-pager", fmt.Sprintf("--since=@%d.%06d", since.Unix(), since.Nanosecond()/1000))
	count := 0
	for line := range strings.Lines(logs) {
		if strings.HasPrefix(line, "Reloading") {
			count++
		}
	}
	return count
}

func TestSixtyUnitsAtOnceCostAFewReloads(t *testing.T) {
	w := shared(t)
	names := numbered("crowd%02d.service", 60)
	began := time.Now()
	if err := launchThrough(t.Context(), w.clientsOf(w.Hosts()...), names, stamped); err != nil {
		t.Fatal(err)
	}
	all := w.awaitAll(3*soon, names, "all run", runs)
	t.Logf("60 units ran after %s", time.Since(began).Round(time.Millisecond))
	count := make(map[string]int)
	for name, u := range all {
		count[w.hostOf(live(u)[0].MachineID).Name]++
		if ran := w.spans(name); len(ran) != 1 {
			t.Errorf("%s ran %v", name, ran)
		}
	}
	for _, h := range w.Hosts() {
		n := w.reloads(h, began)
		t.Logf("%s: %d units, %d reloads", h.Name, count[h.Name], n)
		// A unit that has not been reported yet counts more: whose systemd is quicker may get a few more.
		if count[h.Name] < 15 || count[h.Name] > 25 || n == 0 || n > 10 {
			t.Errorf("%s has %d units after %d reloads", h.Name, count[h.Name], n)
		}
	}
}

// The host of the engine that leads loses its power while the units come in.
func TestTheEngineDiesInTheMiddleOfFiftyStartsAndAllRunExactlyOnce(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "fifty", Hosts: 4})
	names := numbered("fifty%02d.service", 50)
	leader := w.engineLeader()
	through := w.clientsOf(w.others(leader)...)

	submitted := make(chan error, 1)
	go func() { submitted <- launchThrough(t.Context(), through, names, stamped) }()
	w.eventually(soon, "some run", func() (bool, string) {
		states, err := through[0].States(t.Context())
		running := 0
		for _, s := range states {
			if s.SystemdActiveState == "active" {
				running++
			}
		}
		return running >= 5, fmt.Sprint(running, " run, ", err)
	})
	died := w.powerLoss(leader)
	if err := <-submitted; err != nil {
		t.Fatal(err)
	}
	all := w.awaitAll(3*soon, names, "all run", runsOff(leader))
	t.Logf("all run %s after the leader died", time.Since(died).Round(time.Millisecond))
	w.unchanged(2*time.Second, names...)
	for _, name := range names {
		w.neverTwo(name, map[*testbed.Host]time.Time{leader: died})
		elsewhere := 0
		for _, s := range w.spans(name) {
			if s.host == leader {
				continue
			}
			elsewhere++
			if !s.end.IsZero() {
				t.Errorf("%s was stopped again: %v", name, s)
			}
		}
		if elsewhere != 1 {
			t.Errorf("%s ran %d times on the hosts that live: %v", name, elsewhere, all[name])
		}
	}
}

// The engine's process alone is killed, and comes back, while units come in.
func TestTheEnginesFleetdIsKilledInTheMiddleOfFiftyStarts(t *testing.T) {
	w := shared(t)
	names := numbered("again%02d.service", 50)
	leader := w.engineLeader()
	through := w.clientsOf(w.others(leader)...)
	submitted := make(chan error, 1)
	go func() { submitted <- launchThrough(t.Context(), through, names, stamped) }()
	if err := leader.KillFleetd(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-submitted; err != nil {
		t.Fatal(err)
	}
	w.awaitAll(3*soon, names, "all run", runs)
	w.awaitMachines(soon, w.Hosts()...)
	w.unchanged(2*time.Second, names...)
	for _, name := range names {
		if all := w.spans(name); len(all) != 1 || !all[0].end.IsZero() {
			t.Errorf("%s ran %v, want once", name, all)
		}
	}
}
