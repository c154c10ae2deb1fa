package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/functional/costs"
	"fleet/registry"
	"fleet/unit"
)

// bill counts what a cluster asks of its store.
type bill struct {
	mu        sync.Mutex
	proposals int // what etcd would have all members agree on: transactions that may write, and leases
	calls     int // all but watches
}

// metered is a connection to the store whose calls are put on the bill.
type metered struct {
	registry.Store
	bill *bill
}

func (b *bill) called(proposals int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.proposals += proposals
}

func (m metered) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	m.bill.called(0)
	return m.Store.Range(ctx, q)
}

func (m metered) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	writes := 0
	if t.Writes() {
		writes = 1
	}
	m.bill.called(writes)
	return m.Store.Txn(ctx, t)
}

func (m metered) Grant(ctx context.Context, ttl time.Duration) (int64, error) {
	m.bill.called(1)
	return m.Store.Grant(ctx, ttl)
}

func (m metered) Revoke(ctx context.Context, lease int64) error {
	m.bill.called(1)
	return m.Store.Revoke(ctx, lease)
}

func (m metered) KeepAlive(ctx context.Context, lease int64) (int64, error) {
	m.bill.called(0)
	return m.Store.KeepAlive(ctx, lease)
}

func (m metered) TimeToLive(ctx context.Context, lease int64) (left, granted time.Duration, err error) {
	m.bill.called(0)
	return m.Store.TimeToLive(ctx, lease)
}

// of returns how many proposals and other calls it took until all had come to rest.
func (b *bill) of(w *world, act func()) (proposals, calls int) {
	synctest.Wait()
	b.mu.Lock()
	proposals, calls = b.proposals, b.calls
	b.mu.Unlock()
	act()
	w.settle()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.proposals - proposals, b.calls - calls
}

func TestWhatTheStoreIsAskedForAChange(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &bill{}
		through := func(s registry.Store) registry.Store { return metered{s, b} }
		w := newMeteredWorld(t, slog.New(slog.DiscardHandler), dir, 3, through)
		defer w.close()
		w.settle()
		proposals := func(what string, act func()) {
			t.Helper()
			n, _ := b.of(w, act)
			costs.Check(t, what, float64(n))
		}
		const service = "[Service]\nExecStart=/bin/sleep infinity\n"
		home := func(name unit.Name) *machine {
			t.Helper()
			on := w.where(name)
			if len(on) != 1 {
				t.Fatalf("%s runs on %d machines", name, len(on))
			}
			return on[0]
		}

		proposals("proposals of a start", func() { w.put("a.service", service, cluster.Launched) })
		proposals("proposals of a unit that is loaded", func() { w.put("b.service", service, cluster.Loaded) })
		proposals("proposals of its start then", func() { w.want("b.service", cluster.Launched) })
		proposals("proposals of a restart", func() { w.restart("a.service") })
		proposals("proposals of a move", func() {
			to := w.machines[0]
			if home("a.service") == to {
				to = w.machines[1]
			}
			w.edit("a.service", func(u *cluster.Unit) *cluster.UnitEdit {
				u.MoveTo = to.id
				return &cluster.UnitEdit{Unit: *u, Move: true}
			})
		})
		home("a.service")
		proposals("proposals of a change of state", func() {
			if err := home("b.service").host.Kill("b.service"); err != nil {
				t.Fatal(err)
			}
		})
		proposals("proposals of a unit that no machine fits", func() {
			w.put("c.service", service+"[X-Fleet]\nMachineMetadata=disk=none\n", cluster.Launched)
		})
		proposals("proposals of a stop", func() { w.want("a.service", cluster.Loaded) })
		proposals("proposals of a destroyed unit", func() { w.destroy("a.service") })
		w.destroy("b.service")
		w.destroy("c.service")
		w.settle()

		n, _ := b.of(w, func() {
			for i := range 100 {
				w.put(unit.Name(fmt.Sprintf("many@%d.service", i)), service, cluster.Launched)
			}
		})
		costs.About(t, "proposals of 100 units started at once", float64(n), 0.05)
		_, calls := b.of(w, func() { time.Sleep(55 * time.Minute) }) // and five of settle
		n, _ = b.of(w, func() { time.Sleep(55 * time.Minute) })
		costs.Check(t, "proposals of an idle minute", float64(n)/60)
		costs.About(t, "calls to etcd of an idle minute and machine", float64(calls)/60/3, 0.01) // one may fall on either side
	})
}
