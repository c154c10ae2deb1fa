package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/agent"
	"fleet/cluster"
	"fleet/engine"
	"fleet/registry"
)

// presence keeps this machine in the cluster: session after session, each with
// its agent served and, unless that is disabled, with a candidate for the engine.
type presence struct {
	settings Settings
	machine  cluster.Machine
	records  *registry.Registry
	agent    *agent.Agent
	log      *slog.Logger

	member atomic.Pointer[registry.Member] // nil between sessions
}

func newPresence(s Settings, m cluster.Machine, r *registry.Registry, a *agent.Agent, log *slog.Logger) *presence {
	return &presence{settings: s, machine: m, records: r, agent: a, log: log}
}

// retryAfter is the pause before another try at what the store refused.
const retryAfter = time.Second

// Run joins the cluster again and again until ctx ends. It gives up only when
// another host has this machine's id.
func (p *presence) Run(ctx context.Context) error {
	file := sessionFile(filepath.Join(p.settings.StateDir, "session.json"))
	for {
		p.machine.Since = time.Now()
		err := p.records.Join(ctx, p.machine, registry.JoinOptions{
			TTL:      p.settings.leaseTTL(),
			Resume:   file.load(),
			Remember: file.save,
		}, p.serve)

		var inUse *registry.InUseError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &inUse):
			return fmt.Errorf("join the cluster: %w", err)
		case errors.Is(err, cluster.ErrSessionLost):
			p.log.Warn("session lost: this machine was silent for too long; joining anew, its units go on")
			continue
		}
		p.log.Warn("cannot join the cluster yet", "err", err)
		notify(p.log, "STATUS=Waiting for etcd: "+fmt.Sprint(err))
		if !pause(ctx, retryAfter) {
			return nil
		}
	}
}

// serve is one session.
func (p *presence) serve(ctx context.Context, m *registry.Member) error {
	p.member.Store(m)
	defer p.member.Store(nil)
	p.log.Info("in the cluster", "session", m.Session())
	notify(p.log, "STATUS=In the cluster, session "+m.Session().String())

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.agent.Serve(ctx, m) })
	if !p.settings.DisableEngine {
		g.Go(func() error { return p.campaign(ctx, m) })
	}
	return g.Wait()
}

// campaign stands for election term after term. A term that fails is over, the
// session is not.
func (p *presence) campaign(ctx context.Context, m *registry.Member) error {
	for {
		err := m.Lead(ctx, func(ctx context.Context, term *registry.Term) error {
			p.log.Info("leading: this machine's engine decides")
			return engine.Run(ctx, term, engine.Options{Logger: p.log})
		})
		if ctx.Err() != nil {
			return nil
		}
		p.log.Warn("term ended", "err", err)
		if !pause(ctx, retryAfter) {
			return nil
		}
	}
}

// ready is nil while the store answers to this machine: what the API tells is then
// at most one lease old.
func (p *presence) ready() error {
	m := p.member.Load()
	if m == nil {
		return errors.New("not in the cluster yet")
	}
	if silent := time.Since(m.Renewed()); silent > p.settings.leaseTTL() {
		return fmt.Errorf("etcd has not answered for %s", silent.Round(time.Second))
	}
	return nil
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
