package leaving

import (
	"context"
	"errors"
	"time"

	"fleet/unit"
)

// A shutdown can be called off: "systemctl cancel" drops the jobs of one that waits for its units to be handed over, and the
// host goes on. systemd tells nobody, so it is asked, for as long as the machine says that it leaves.

// errCalledOff ends a hand-over.
var errCalledOff = errors.New("this host is not shut down after all: what is here stays")

// Service is the unit whose stopping begins a hand-over.
const Service unit.Name = "fleet-handover.service"

// lookAgain is how soon it is noticed that a shutdown was called off.
const lookAgain = time.Second

// leave has the machine leave until the channel is closed.
func (l *Leaving) leave() (calledOff <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.o.Host.Leave(true)
	l.o.Leave(true)
	if l.mu.calledOff == nil {
		l.mu.calledOff = make(chan struct{})
		ring(l.leaves)
	}
	return l.mu.calledOff
}

// reconsider looks again whether the host is shut down for as long as the machine leaves.
func (l *Leaving) reconsider(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.leaves:
		}
		if !l.goesOn(ctx) {
			return nil
		}
		l.stay()
		l.rearm(ctx)
	}
}

// goesOn waits until the host is shut down no more, and tells whether ctx still lives. A systemd that does not answer says nothing.
func (l *Leaving) goesOn(ctx context.Context) bool {
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-look.C:
		}
		if stopping, err := l.o.Host.Stopping(ctx); err == nil && !stopping {
			return true
		}
	}
}

// stay takes back that the machine leaves.
func (l *Leaving) stay() {
	l.o.Logger.Warn("this host is not shut down after all: its machine takes units again")
	l.mu.Lock()
	defer l.mu.Unlock()
	l.o.Host.Leave(false)
	l.o.Leave(false)
	close(l.mu.calledOff)
	l.mu.calledOff = nil
}

// rearm starts the service whose stopping was the beginning of this, or the next shutdown would hand nothing over.
func (l *Leaving) rearm(ctx context.Context) {
	result, err := l.o.Host.Start(ctx, Service)
	if ctx.Err() == nil && (err != nil || result != unit.JobDone) {
		l.o.Logger.Error("the next shutdown of this host hands nothing over, unless this unit is started", "unit", Service, "job", result, "err", err)
	}
}

func ring(bell chan<- struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
