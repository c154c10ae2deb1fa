package agent

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
)

// Options say which machine an agent serves. The zero Options are those of a
// machine without a name whose agent remembers nothing when it is started again.
type Options struct {
	Machine cluster.MachineID

	// BootID is the kernel's boot id. What was remembered under another one is void.
	BootID string

	// StateFile is where the agent remembers what it has carried out. It should
	// lie where a reboot empties it; empty means that nothing is remembered.
	StateFile string

	// Guard reads what the fence of this host says of itself; zero if it says nothing. Nil: this host can have no fence.
	Guard func() Guard
	// Guarded is told by which times units are guarded in the present session, and zero when they are not. It must not wait
	// for anything. May be nil.
	Guarded func(cluster.Fence)

	Logger *slog.Logger // nil discards

	Now func() time.Time // the time of day, of what is written down and read again; default: time.Now

	Events Events
}

// Guard is what a fence says of itself.
type Guard struct {
	Life    string          // invocation id of its service
	Session cluster.Session // that it guards
	Times   cluster.Fence
}

// Agent carries out one machine's orders.
type Agent struct {
	sd  Systemd
	o   Options
	log *slog.Logger

	board board // everything known
	batch batch // loads and unloads under way
	store store // what is remembered

	wake bell // of the loop: something changed on the board
	look bell // of the reader: something is to be read from systemd
	tell bell // of the reporter: the report may differ
	keep bell // of the keeper: memory changed
	down bell // of whoever starts the fence: it does not run

	steps sync.WaitGroup // goroutines that the loop has begun
}

// New returns an agent that remembers what the state file says. A file that
// cannot be read is as good as none.
func New(sd Systemd, o Options) (*Agent, error) {
	if sd == nil {
		return nil, fmt.Errorf("agent of %s: no systemd given", o.Machine)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &Agent{
		sd: sd, o: o, log: o.Logger,
		wake: newBell(), look: newBell(), tell: newBell(), keep: newBell(), down: newBell(),
	}
	a.store.path, a.store.boot = o.StateFile, o.BootID
	memory, err := a.store.load()
	if err != nil {
		a.log.Warn("starting without memory", "err", err)
	}
	a.board.init(memory)
	a.batch.init()
	return a, nil
}

// Run drives this host's systemd until ctx ends. It returns nil then: nothing
// that systemd says or fails to say ends it sooner. Units go on. It is called once.
func (a *Agent) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context){a.listen, a.read, a.loop, a.lift, a.remember} {
		g.Go(func() error { part(ctx); return nil })
	}
	err := g.Wait()
	a.steps.Wait()
	if err := a.save(); err != nil {
		a.log.Warn("memory is not up to date", "err", err)
	}
	return err
}
