package agent

import (
	"context"
	"time"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

// loop is the agent's heart: wake, decide, begin what was decided.
func (a *Agent) loop(ctx context.Context) {
	for {
		again := a.turn(ctx)
		if !a.wake.waitUntil(ctx, again, a.o.Now()) {
			return
		}
	}
}

// turn looks at the units about which something is new, and returns when to
// look at all of them.
func (a *Agent) turn(ctx context.Context) (again time.Time) {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	if !b.ready() {
		return time.Time{}
	}
	defer a.o.Events.planned(time.Now())
	in := b.look(a.o.Now())
	out := reconcile.Plan(in)
	before := b.saved
	for name, m := range out.Memory {
		b.remember(name, m)
	}
	for _, name := range out.Forget {
		b.forget(name)
	}
	for _, name := range out.Interrupt {
		b.interrupt(name)
	}
	for _, step := range out.Steps {
		a.begin(ctx, step)
	}
	if b.saved != before {
		a.keep.ring()
	}
	if b.again.IsZero() || !out.Again.IsZero() && out.Again.Before(b.again) {
		b.again = out.Again
	}
	a.show(ctx, in.Names)
	return b.again
}

// look takes what is new as the input of a plan.
func (b *board) look(now time.Time) reconcile.Input {
	in := b.Input
	in.Now = now
	if b.guard.Session == b.Session {
		in.Fence = b.guard.Life
	}
	due := !b.again.IsZero() && !now.Before(b.again)
	if b.fresh.all || due {
		in.Names = b.known()
		b.again = time.Time{}
	} else {
		in.Names = make([]unit.Name, 0, len(b.fresh.set))
		for name := range b.fresh.set {
			in.Names = append(in.Names, name)
		}
	}
	b.fresh = names{}
	return in
}

// begin takes a step. The caller holds the board's lock.
func (a *Agent) begin(ctx context.Context, step reconcile.Step) {
	a.board.Busy[step.Unit] = step
	switch step.Kind {
	case reconcile.Load:
		a.fetch(ctx, step)
	case reconcile.Unload:
		a.batch.unload(step.Unit)
	default:
		ctx, cancel := context.WithCancel(ctx)
		a.board.cancel[step.Unit] = cancel
		session := a.board.Session
		a.steps.Go(func() { a.job(ctx, step, session) })
	}
}

// job has systemd carry out a job and waits for its result, however long it
// takes. A job that must not be carried out twice is noted first.
func (a *Agent) job(ctx context.Context, step reconcile.Step, session cluster.Session) {
	var r reconcile.Result
	if step.Kind == reconcile.Start {
		r.Err = a.batch.awaitTriggered(ctx, step.Unit)
	}
	if r.Err == nil {
		r.Err = a.permit(ctx, step, session)
	}
	if r.Err != nil {
		r.Interrupted = ctx.Err() != nil
		a.ended(false, ending{step, r})
		return
	}
	switch step.Kind {
	case reconcile.Start:
		if err := a.save(); err != nil {
			// A start that is repeated finds its unit running.
			a.log.Warn("starting without a note of it", "unit", step.Unit, "err", err)
		}
		r.Job, r.Err = a.sd.Start(ctx, step.Unit)
	case reconcile.Stop:
		r.Job, r.Err = a.sd.Stop(ctx, step.Unit)
	case reconcile.Restart:
		if r.Err = a.save(); r.Err == nil {
			r.Job, r.Err = a.sd.Restart(ctx, step.Unit)
		}
	}
	r.Interrupted = r.Err != nil && ctx.Err() != nil
	a.ended(false, ending{step, r})
}
