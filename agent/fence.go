package agent

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

func (a *Agent) isFence(name unit.Name) bool { return a.o.Guard != nil && name == unit.FenceService }

// fenceRetry is the pause before another try to start the fence.
const fenceRetry = 10 * time.Second

// keepFence starts this host's fence, if it is installed and does not run, as often as that happens while the session
// lasts. One that dies is started again by systemd; one that somebody has stopped is not.
func (a *Agent) keepFence(ctx context.Context) {
	if a.o.Guard == nil {
		return
	}
	missing := false
	for a.down.ring(); a.down.wait(ctx); {
		result, err := a.sd.Start(ctx, unit.FenceService)
		if ctx.Err() != nil {
			return
		}
		if err == nil && result == unit.JobDone {
			missing = false
			continue
		}
		if !missing {
			a.log.Warn("this host has no fence: units that must not run twice cannot run here", "unit", unit.FenceService, "job", result, "err", err)
		}
		missing = true
		if !sleep(ctx, fenceRetry) {
			return
		}
	}
}

// permit lets a unit be started that is bound to the fence: in a step of its own, for whatever starts it, and once
// more with each start, whoever may have removed it meanwhile.
func (a *Agent) permit(ctx context.Context, step reconcile.Step, session cluster.Session) error {
	if step.Permit.Number == 0 || step.Kind == reconcile.Stop {
		return nil
	}
	return a.sd.Permit(ctx, step.Unit, session.String(), step.Permit.Number)
}

// learnGuard takes the state of the fence's service out of what was read, and learns from it whether units are
// guarded. One that is about to stop guards no longer. Another one counts when all units were read together with it:
// one that ran under the fence before would seem to run under this one, if its state were older. The caller holds the board's lock.
func (a *Agent) learnGuard(states map[unit.Name]unit.State, all bool) {
	state, read := states[unit.FenceService]
	if a.o.Guard == nil || !read {
		return
	}
	delete(states, unit.FenceService)
	var now Guard
	if state.Active == "active" && state.Job == "" {
		now = a.o.Guard()
	}
	if (state.Active == "inactive" || state.Active == "failed") && state.Load == "loaded" {
		a.down.ring()
	}
	if now.Life == "" || now.Life != state.InvocationID {
		now = Guard{}
	}
	b := &a.board
	if now == b.guard {
		return
	}
	if now.Life != "" && !all {
		now = Guard{}
		b.request.all = true
		a.look.ring()
	}
	if now == b.guard {
		return
	}
	b.guard = now
	b.fresh.all = true
	a.log.Info("fence", "guards", now.Session, "life", now.Life)
	if !b.Session.IsZero() {
		a.tellGuarded()
	}
}

// tellGuarded tells by which times units are guarded in the present session. The caller holds the board's lock.
func (a *Agent) tellGuarded() {
	b := &a.board
	if a.o.Guarded == nil {
		return
	}
	if b.Session.IsZero() || b.guard.Session != b.Session {
		a.o.Guarded(cluster.Fence{})
		return
	}
	a.o.Guarded(b.guard.Times)
}

// refuseUnfenced keeps a unit that must not run twice from this machine if it was ordered by an engine that does
// not know what that is.
func refuseUnfenced(step reconcile.Step, raw []byte) error {
	if step.Permit.Number != 0 || !bytes.Contains(raw, []byte("AtMostOnce")) {
		return nil
	}
	f, err := unit.Parse(raw)
	if err != nil {
		return nil // systemd says what is wrong with it
	}
	if rules, err := f.Rules(step.Unit); err != nil || !rules.AtMostOnce {
		return nil
	}
	return fmt.Errorf("load %s: it says AtMostOnce, and was ordered by an engine that does not fence: upgrade fleetd on all machines", step.Unit)
}
