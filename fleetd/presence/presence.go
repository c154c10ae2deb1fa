package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/agent"
	"fleet/cluster"
	"fleet/engine"
	"fleet/engine/schedule"
	"fleet/registry"
)

// Options are the settings of a Presence. All but Status, Settings, Events, Space, DisableEngine and Now must be set.
type Options struct {
	Machine       cluster.Machine                              // without a lease: its boot id is set
	LeaseTTL      time.Duration                                // whole seconds
	DisableEngine bool                                         // never stand for election
	Brain         schedule.Options                             // of the engine
	Events        engine.Events                                // of the engine
	Space         func(context.Context) (cluster.Space, error) // of the engine
	Memory        Memory
	Status        func(string)                 // called with a few words on how it is doing
	Settings      func(cluster.Settings) error // called with what operators have laid over the machine, and with each change of it
	Logger        *slog.Logger
	Now           func() time.Time // the time of day, of what is written down; default: time.Now
}

// Memory keeps the session across restarts of the process, not of the machine.
type Memory interface {
	Load() registry.Hold // what was saved last, zero if that is nothing
	Save(registry.Hold) error
}

// Volatile is a Memory that lasts as long as it is kept itself: of a machine that is played in one process. It may be used
// from several goroutines; the zero value has saved nothing.
type Volatile struct {
	mu   sync.Mutex
	hold registry.Hold
}

// Load implements Memory.
func (v *Volatile) Load() registry.Hold {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hold
}

// Save implements Memory.
func (v *Volatile) Save(h registry.Hold) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.hold = h
	return nil
}

// Presence is one machine's membership. Its methods may be called from several goroutines.
type Presence struct {
	o       Options
	records *registry.Registry
	agent   *agent.Agent

	member atomic.Pointer[registry.Member] // nil between sessions

	changed chan struct{} // a doorbell: the machine is another than was told
	mu      struct {
		sync.Mutex
		machine cluster.Machine
	}
}

// New returns the presence of the machine whose agent is a. It begins with Run.
func New(records *registry.Registry, a *agent.Agent, o Options) *Presence {
	if o.Status == nil {
		o.Status = func(string) {}
	}
	if o.Settings == nil {
		o.Settings = func(cluster.Settings) error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Presence{o: o, records: records, agent: a, changed: make(chan struct{}, 1)}
	p.mu.machine = o.Machine
	return p
}

// Change has the cluster told what this machine now offers and is called: within
// the session, as soon as the store takes it.
func (p *Presence) Change(metadata map[string]string, capacity cluster.Capacity) {
	p.Amend(func(m *cluster.Machine) { m.Metadata, m.Capacity = metadata, capacity })
}

// Amend has the cluster told likewise of any other change of this machine, such as that it has a
// fence or that its host is shut down.
func (p *Presence) Amend(change func(*cluster.Machine)) {
	p.mu.Lock()
	change(&p.mu.machine)
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

func (p *Presence) machine() cluster.Machine {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.mu.machine
}

// retryAfter is the pause before another try at what the store refused.
const retryAfter = time.Second

// Run joins the cluster again and again until ctx ends.
func (p *Presence) Run(ctx context.Context) error {
	for {
		p.o.Status("Joining the cluster: waiting for etcd, or for an older session of this machine to end")
		machine := p.machine()
		machine.Since = p.o.Now()
		err := p.records.Join(ctx, machine, registry.JoinOptions{
			TTL:      p.o.LeaseTTL,
			Resume:   p.o.Memory.Load(),
			Remember: p.o.Memory.Save,
		}, p.serve)

		var inUse *registry.InUseError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &inUse):
			return fmt.Errorf("join the cluster: %w", err)
		case errors.Is(err, cluster.ErrSessionLost):
			p.o.Logger.Warn("session lost: this machine was silent for too long; joining again, its units keep running")
			continue
		}
		p.o.Logger.Warn("cannot join the cluster yet", "err", err)
		if !pause(ctx, retryAfter) {
			return nil
		}
	}
}

// serve is one session.
func (p *Presence) serve(ctx context.Context, m *registry.Member) error {
	p.member.Store(m)
	defer p.member.Store(nil)
	p.o.Logger.Info("in the cluster", "machine", p.o.Machine.ID, "session", m.Session())
	p.o.Status("In the cluster, session " + m.Session().String())

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.agent.Serve(ctx, m) })
	g.Go(func() error { return p.amend(ctx, m) })
	g.Go(func() error { return m.FollowSettings(ctx, p.o.Settings) })
	if !p.o.DisableEngine {
		g.Go(func() error { return p.campaign(ctx, m) })
	}
	return g.Wait()
}

// amend keeps the machine's record what the machine is. A change that came before the session is in the record
// already, or is written again, which the registry finds to be nothing.
func (p *Presence) amend(ctx context.Context, m *registry.Member) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.changed:
		}
		for failed := false; ; failed = true {
			err := m.Amend(ctx, p.machine())
			if err == nil {
				break
			}
			if ctx.Err() == nil && !failed {
				p.o.Logger.Warn("cannot tell the cluster what has changed of this machine, trying again", "err", err)
			}
			if !pause(ctx, retryAfter) {
				return nil
			}
		}
	}
}

// campaign stands for election term after term. A term that fails is over, the
// session is not.
func (p *Presence) campaign(ctx context.Context, m *registry.Member) error {
	for {
		err := m.Lead(ctx, func(ctx context.Context, term *registry.Term) error {
			p.o.Logger.Info("leading: this machine's engine decides")
			brain := p.o.Brain
			brain.Since = m.Since()
			return engine.Run(ctx, term, engine.Options{
				Logger: p.o.Logger, Now: p.o.Now, Brain: brain, Events: p.o.Events, Space: p.o.Space,
				Patience: func() time.Time { return p.patience(m) },
			})
		})
		if ctx.Err() != nil {
			return nil
		}
		p.o.Logger.Warn("term ended", "err", err)
		if !pause(ctx, retryAfter) {
			return nil
		}
	}
}

// patience is until when nothing is concluded from the loss of machines: for as long as a lease lives after this machine's
// session began, and after the store was heard of again, the others may not have had the time to return.
func (p *Presence) patience(m *registry.Member) time.Time {
	from := m.Since()
	if recovered := m.Recovered(); recovered.After(from) {
		from = recovered
	}
	return from.Add(p.o.LeaseTTL)
}

// Ready is nil while the store answers to this machine: what is read from a
// cache is then at most one lease old.
func (p *Presence) Ready() error {
	m := p.member.Load()
	if m == nil {
		return errors.New("not in the cluster yet")
	}
	if silent := time.Since(m.Renewed()); silent > p.o.LeaseTTL {
		return fmt.Errorf("etcd has not answered for %s", silent.Round(time.Second))
	}
	return nil
}

// Session tells when the machine's session began and when it was last renewed; zero times while there is none.
func (p *Presence) Session() (since, renewed time.Time) {
	m := p.member.Load()
	if m == nil {
		return time.Time{}, time.Time{}
	}
	return m.Since(), m.Renewed()
}

// pause waits, and tells whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
