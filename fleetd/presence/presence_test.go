package presence_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/fleetd/presence"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

const (
	id  cluster.MachineID = "00000000000000000000000000000001"
	ttl                   = 10 * time.Second
)

// forgetful remembers no session.
type forgetful struct{}

func (forgetful) Load() registry.Hold      { return registry.Hold{} }
func (forgetful) Save(registry.Hold) error { return nil }

// world is one machine that is present.
type world struct {
	*presence.Presence
	t      *testing.T
	store  *memory.Server
	client *memory.Client
}

func in(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: memory.New()}
		defer w.store.Close()
		w.client = w.store.Client()
		host := systemdtest.NewHost().Manager()
		worker, err := agent.New(host, agent.Options{
			Machine: id, BootID: "boot", StateFile: filepath.Join(t.TempDir(), "agent.json"), Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Presence = presence.New(registry.New(w.client, registry.Options{}), worker, presence.Options{
			Machine:  cluster.Machine{ID: id, Session: cluster.Session{BootID: "boot"}, Address: "10.0.0.1"},
			LeaseTTL: ttl, Memory: forgetful{}, Logger: slog.New(slog.DiscardHandler),
		})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 3)
		for _, run := range []func(context.Context) error{host.Run, worker.Run, w.Run} {
			go func() { ended <- run(ctx) }()
		}
		w.settle()
		test(w)
		stop()
		for range 3 {
			<-ended
		}
	})
}

// settle gives everything time to be over.
func (w *world) settle() {
	time.Sleep(3 * ttl)
	synctest.Wait()
}

// shown is the machine as others see it.
func (w *world) shown() cluster.Machine {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	var all cluster.Snapshot
	err := registry.New(w.store.Client(), registry.Options{}).Follow(ctx, func(u cluster.Update) error {
		all.Apply(u)
		cancel()
		return ctx.Err()
	})
	m, ok := all.Machine(id)
	if !ok {
		w.t.Fatalf("the machine is not there: %v", err)
	}
	return m
}

func offer(memory int64) cluster.Capacity {
	return cluster.Capacity{MaxUnits: 5, Resources: unit.Resources{Memory: memory, Named: map[string]int64{"gpu": 1}}}
}

func TestAMachineThatChangesIsShownSoInItsSession(t *testing.T) {
	in(t, func(w *world) {
		before := w.shown()
		w.Change(map[string]string{"disk": "ssd"}, offer(1<<30))
		w.settle()
		now := w.shown()
		if now.Session != before.Session || now.Metadata["disk"] != "ssd" || now.Capacity.Memory != 1<<30 || now.Capacity.Named["gpu"] != 1 {
			t.Errorf("it was %+v and is %+v", before, now)
		}
		revision := w.store.Revision()
		w.settle()
		if w.store.Revision() != revision {
			t.Error("a machine of which nothing changes writes")
		}
	})
}

func TestAChangeDuringACutIsShownAfterIt(t *testing.T) {
	for name, cut := range map[string]time.Duration{"shorter than the lease": ttl / 2, "longer than the lease": 2 * ttl} {
		t.Run(name, func(t *testing.T) {
			in(t, func(w *world) {
				w.client.Cut()
				w.Change(nil, offer(1<<30))
				time.Sleep(cut / 2)
				w.Change(nil, offer(2<<30))
				time.Sleep(cut / 2)
				w.client.Heal()
				w.settle()
				if now := w.shown(); now.Capacity.Memory != 2<<30 {
					t.Errorf("it is shown as %+v", now)
				}
			})
		})
	}
}
