package simulation

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/fleetd/fence"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/systemd/systemdtest"
)

// fencing is how the fences of a world are.
type fencing struct {
	none      bool
	watchdog  time.Duration // WatchdogSec= of the service
	unchecked bool          // fence.Options.Unchecked
	harmless  bool          // it kills nothing
	grants    time.Duration // what it takes the TTL for; 0: what it is
}

// installFence gives the host its fleet-fence.service.
func (m *machine) installFence(f fencing) {
	if f.none {
		return
	}
	m.host.InstallFence(systemdtest.FenceProgram{
		Run: func(ctx context.Context, p *systemdtest.FenceProcess) error {
			return fence.Run(ctx, fence.Options{
				Life: p.Life(), Session: m.guardedSession, Host: fenceHost{p, f}, Notify: p.Notify, Deadline: p.Deadline,
				Watched: p.Watched(), Unchecked: f.unchecked, Logger: m.w.log.With("on", m.id[31:], "of", "fence"),
				Dial: func(context.Context, []string) (fence.Renewer, error) {
					client := m.w.store.Client()
					m.line.take(client)
					return renewer{client, p, cmp.Or(f.grants, ttl)}, p.Gate()
				},
			})
		},
		Post: func(_ context.Context, p *systemdtest.FenceProcess, result string) error {
			var last fence.Guard
			_ = json.Unmarshal(p.Announced(), &last)
			return fence.Kill(fenceHost{p, f}, last, result == "timeout", func(d time.Duration) {
				_ = p.Notify(fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()))
			})
		},
	}, f.watchdog)
}

// guardedSession is what fleetd has written down of the machine's session.
func (m *machine) guardedSession() (fence.Session, error) {
	return fence.Session{Session: m.session.Load().Session}, nil
}

// guards is what the host's fence says of itself.
func (m *machine) guards() agent.Guard {
	var g fence.Guard
	_ = json.Unmarshal(m.host.FenceSays(), &g)
	return agent.Guard{Life: g.Life, Session: g.Session, Times: g.Times}
}

// fenceHost adapts a process of the host's fence.
type fenceHost struct {
	*systemdtest.FenceProcess
	is fencing
}

func (h fenceHost) Announce(g fence.Guard) error {
	if g == (fence.Guard{}) {
		return h.FenceProcess.Announce(nil)
	}
	text, err := json.Marshal(g)
	return errors.Join(err, h.FenceProcess.Announce(text))
}

func (h fenceHost) Revoke(keep cluster.Session) error {
	if keep.IsZero() {
		return h.FenceProcess.Revoke("")
	}
	return h.FenceProcess.Revoke(keep.String())
}

func (h fenceHost) Kill() error       { return h.kill(false) }
func (h fenceHost) KillFrozen() error { return h.kill(true) }

func (h fenceHost) kill(frozen bool) error {
	if h.is.harmless {
		return nil
	}
	return h.FenceProcess.Kill(frozen)
}

func (h fenceHost) Freeze() error { return h.FenceProcess.Freeze(true) }
func (h fenceHost) Thaw() error   { return h.FenceProcess.Freeze(false) }

// renewer is the fence's client of the store.
type renewer struct {
	*memory.Client
	p   *systemdtest.FenceProcess
	ttl time.Duration
}

func (r renewer) Renew(ctx context.Context, lease int64) (time.Duration, error) {
	if err := r.p.Gate(); err != nil {
		return 0, err
	}
	_, err := r.KeepAlive(ctx, lease)
	if gone := r.p.Gate(); gone != nil {
		return 0, gone
	}
	if errors.Is(err, registry.ErrLeaseNotFound) {
		err = errors.Join(fence.ErrGone, err)
	}
	return r.ttl, err
}

func (r renewer) Close() error {
	r.Kill()
	return nil
}
