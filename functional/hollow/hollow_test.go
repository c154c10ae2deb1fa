package hollow

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

const (
	machines = 5
	units    = 10
	all      = machines * units
)

// memoryLine is a connection to a store in this process.
type memoryLine struct {
	registry.Store
	client *memory.Client
}

func (l memoryLine) Cut()         { l.client.Cut() }
func (l memoryLine) Close() error { l.client.Kill(); return nil }

// dialMemory returns connections to one store, each as wrap makes it.
func dialMemory(t *testing.T, wrap func(registry.Store) registry.Store) Dial {
	server := memory.New()
	t.Cleanup(server.Close)
	return func(context.Context, bool) (Line, error) {
		client := server.Client()
		return memoryLine{wrap(client), client}, nil
	}
}

func plain(s registry.Store) registry.Store { return s }

func start(t *testing.T, dial Dial) *Cluster {
	t.Helper()
	c, err := Start(t.Context(), Options{
		Machines: machines, Units: units, Mortal: 2, TTL: 2 * time.Second, Dial: dial, Dir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

func await(t *testing.T, c *Cluster, submitted int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := c.AwaitAll(ctx, submitted); err != nil {
		t.Fatal(err)
	}
}

func audit(t *testing.T, c *Cluster, restarted ...unit.Name) Audit {
	t.Helper()
	a, err := c.Audit(t.Context(), restarted)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func clean(t *testing.T, c *Cluster, restarted ...unit.Name) {
	t.Helper()
	a := audit(t, c, restarted...)
	if len(a.Lost) > 0 || a.Restarted > 0 || a.Doubled > 0 {
		t.Errorf("%+v", a)
	}
	if n := c.Trouble.Count(); n > 0 {
		t.Errorf("%d warnings: %q", n, c.Trouble.Lines())
	}
}

func TestAClusterIsLoadedRolledAndBereft(t *testing.T) {
	t.Parallel()
	c := start(t, dialMemory(t, plain))
	await(t, c, all)
	clean(t, c)
	for _, m := range c.machines {
		// A machine that was busy for longer than its lease of 2 s is given nothing for a while.
		if n := len(m.Host.Running()); n < 1 || n > 2*units {
			t.Errorf("machine %s runs %d units, of %d each", m.ID, n, units)
		}
	}
	if v := c.Judge.View(); v.Leader != c.machines[0].ID || v.Units != all || v.LastOrder.Before(v.FirstOrder) {
		t.Errorf("the judge says %+v", v)
	}

	began := time.Now()
	c.Lose(c.Doomed(1))
	await(t, c, all)
	if took := time.Since(began); took < time.Second || took > 10*time.Second {
		t.Errorf("the units of the lost leader ran elsewhere after %s; its leases live for 2 s", took)
	}
	if v := c.Judge.View(); v.Leader != c.machines[machines-1].ID {
		t.Errorf("machine %s leads, expected the last one", v.Leader)
	}
	clean(t, c)

	restarted := []unit.Name{UnitName(0), UnitName(7), UnitName(all - 1)}
	if err := c.Roll(t.Context(), restarted); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitRestarted(t.Context(), restarted); err != nil {
		t.Fatal(err)
	}
	await(t, c, all)
	clean(t, c, restarted...)
}

func TestTheAuditFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	c := start(t, dialMemory(t, plain))
	await(t, c, all)

	if a := audit(t, c, "never@1.service"); !mentions(a, "never@1.service") {
		t.Errorf("a restart that was not carried out is not found: %+v", a)
	}
	m := c.machines[3]
	victim := m.Host.Running()[0]
	if err := m.Host.Kill(victim); err != nil {
		t.Fatal(err)
	}
	if err := m.Host.Trigger(victim); err != nil {
		t.Fatal(err)
	}
	m.Host.Release(victim)
	await(t, c, all)
	if a := audit(t, c); a.Restarted != 1 {
		t.Errorf("a process that was started once more is counted as %+v", a)
	}
}

// deaf is a store that, from some time on, does not tell machines of changes of their orders.
type deaf struct {
	registry.Store
	now *atomic.Bool
}

func (d deaf) Watch(ctx context.Context, keys registry.Keys, from int64, fn func(registry.Batch) error) error {
	return d.Store.Watch(ctx, keys, from, func(b registry.Batch) error {
		if d.now.Load() && strings.Contains(keys.Name, "/orders/") {
			return nil
		}
		return fn(b)
	})
}

func TestAMachineThatMissesItsOrdersIsSeenToBeBehind(t *testing.T) {
	t.Parallel()
	var now atomic.Bool
	c := start(t, dialMemory(t, func(s registry.Store) registry.Store { return deaf{s, &now} }))
	await(t, c, all)
	now.Store(true)
	name := unit.Name("one-more.service")
	if err := c.Probe(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := c.Judge.Await(t.Context(), func(v View) bool { return v.Ordered == all+1 }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	if v := c.Judge.View(); v.Behind != 1 || v.Active != all {
		t.Errorf("the judge says %+v", v)
	}
	if a := audit(t, c); !mentions(a, "reports on") || !mentions(a, string(name)) {
		t.Errorf("the audit says %+v", a)
	}
}

func mentions(a Audit, text string) bool {
	return slices.ContainsFunc(a.Lost, func(s string) bool { return strings.Contains(s, text) })
}
