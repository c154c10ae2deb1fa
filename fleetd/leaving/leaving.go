package leaving

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"fleet/cluster"
)

// Host is the machine's systemd.
type Host interface {
	Stopping(ctx context.Context) (bool, error) // whether it shuts the host down
	Leave()                                     // stop at once what is to be stopped, while it does
	Reboot(ctx context.Context) error
}

// Options are the settings of a Leaving. All must be set.
type Options struct {
	Machine cluster.MachineID
	BootID  string
	Records Records
	Host    Host
	Leave   func()       // has the machine's record say that it leaves
	Ready   func() error // nil while the store answers
	Logger  *slog.Logger
}

// Leaving is how one machine leaves. Its methods may be called from several goroutines.
type Leaving struct {
	o       Options
	changed chan struct{} // a doorbell: the settings have

	mu struct {
		sync.Mutex
		settings cluster.Settings
	}
}

// New returns the leaving of a machine.
func New(o Options) *Leaving { return &Leaving{o: o, changed: make(chan struct{}, 1)} }

// HandOver has all units of the machine run elsewhere, if the host is being shut down, and tells meanwhile what happens.
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
	l.o.Host.Leave()
	l.o.Leave()
	e := emptying{machine: l.o.Machine, ready: l.o.Ready, tell: tell}
	left, err := e.wait(ctx, l.o.Records)
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
	select {
	case l.changed <- struct{}{}:
	default:
	}
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

// Run reboots the host when an operator has asked for that and all has left that can, until ctx ends.
func (l *Leaving) Run(ctx context.Context) error {
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
