package leaving

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
	"fleet/unit"
)

// Host is the machine's systemd.
type Host interface {
	Stopping(ctx context.Context) (bool, error) // whether it shuts the host down
	Leave(bool)                                 // whether to stop at once what is to be stopped, as it does
	Start(ctx context.Context, n unit.Name) (unit.JobResult, error)
	Reboot(ctx context.Context) error
}

// Options are the settings of a Leaving. All must be set.
type Options struct {
	Machine cluster.MachineID
	BootID  string
	Records Records
	Host    Host
	Leave   func(bool)   // has the machine's record say whether it leaves
	Ready   func() error // nil while the store answers
	Logger  *slog.Logger
}

// Leaving is how one machine leaves. Its methods may be called from several goroutines.
type Leaving struct {
	o       Options
	changed chan struct{} // a doorbell: the settings have
	leaves  chan struct{} // a doorbell: the host is shut down

	mu struct {
		sync.Mutex
		settings  cluster.Settings
		calledOff chan struct{} // is closed when the shutdown is; nil while there is none
	}
}

// New returns the leaving of a machine.
func New(o Options) *Leaving {
	return &Leaving{o: o, changed: make(chan struct{}, 1), leaves: make(chan struct{}, 1)}
}

// HandOver has all units of the machine run elsewhere, if the host is being shut down, and tells meanwhile what happens.
// It ends when the shutdown is called off, which is noticed while Run runs.
func (l *Leaving) HandOver(ctx context.Context, tell func(string)) error {
	stopping, err := l.o.Host.Stopping(ctx)
	if err != nil {
		return err
	}
	if !stopping {
		tell("this host is not being shut down: nothing is handed over")
		return nil
	}
	l.o.Logger.Info("this host is being shut down, handing over its units")
	calledOff := l.leave()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-calledOff:
			cancel(errCalledOff)
		case <-ctx.Done():
		}
	}()
	e := emptying{machine: l.o.Machine, ready: l.o.Ready, tell: tell}
	left, err := e.wait(ctx, l.o.Records)
	if errors.Is(err, errCalledOff) {
		tell(err.Error())
		return nil
	}
	for _, words := range stays(left) {
		l.o.Logger.Warn(words)
		tell(words)
	}
	if err != nil {
		return fmt.Errorf("hand over the units of this machine: %w", err)
	}
	l.o.Logger.Info("what can leave this machine has left it")
	return nil
}

// Follow takes in what operators have laid over this machine.
func (l *Leaving) Follow(s cluster.Settings) error {
	l.mu.Lock()
	l.mu.settings = s
	l.mu.Unlock()
	ring(l.changed)
	return nil
}

// reboots tells whether the machine is to be rebooted when it is empty.
func (l *Leaving) reboots() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	drain := l.mu.settings.Drain
	return drain != nil && drain.Boot == l.o.BootID
}

// retryAfter is the pause before another try to empty the machine, or to have it rebooted.
const retryAfter = 5 * time.Second

// Run takes back that the machine leaves when a shutdown is called off, and reboots the host when an operator has asked
// for that and all has left that can, until ctx ends.
func (l *Leaving) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.reconsider(ctx) })
	g.Go(func() error { return l.reboot(ctx) })
	return g.Wait()
}

// reboot reboots the host when it is asked for.
func (l *Leaving) reboot(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.changed:
		}
		for l.reboots() && ctx.Err() == nil {
			l.emptyAndReboot(ctx)
		}
	}
}

// emptyAndReboot returns when the settings have changed, or after a pause.
func (l *Leaving) emptyAndReboot(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.rebootWhenEmpty(ctx)
	}()
	select {
	case <-done:
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
		case <-l.changed:
		}
	case <-l.changed:
		cancel()
		<-done
	}
}

func (l *Leaving) rebootWhenEmpty(ctx context.Context) {
	log := l.o.Logger
	log.Info("this machine is rebooted when it is empty, as an operator asked for")
	e := emptying{machine: l.o.Machine, ready: l.o.Ready, tell: func(words string) { log.Info(words) }}
	left, err := e.wait(ctx, l.o.Records)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		log.Warn("not rebooting yet", "err", err)
		return
	}
	for _, words := range stays(left) {
		log.Warn(words)
	}
	log.Info("rebooting: what can leave this machine has left it")
	if err := l.o.Host.Reboot(ctx); err != nil && ctx.Err() == nil {
		log.Error("cannot reboot, trying again", "err", err)
	}
}
