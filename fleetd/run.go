package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"fleet/agent"
	"fleet/api"
	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/fleetd/leaving"
	"fleet/fleetd/metrics"
	"fleet/fleetd/presence"
	"fleet/registry"
	"fleet/registry/etcd"
	"fleet/systemd"
)

// Run is the whole daemon. It returns nil when ctx ends, and the reason when it
// cannot go on. Units that it has started stay as they are in either case.
func Run(ctx context.Context, s Settings, reload Reload, log *slog.Logger) error {
	unlock, err := lockDir(s.StateDir)
	if err != nil {
		return err
	}
	defer unlock()

	machine, err := self(s)
	if err != nil {
		return err
	}

	store, err := etcd.Dial(ctx, storeConfig(s))
	if err != nil {
		return fmt.Errorf("make a client of etcd: %w", err)
	}
	defer store.Close()
	keeper, err := newKeeper(s, machine.Address, store, log)
	if err != nil {
		return err
	}
	counts := metrics.New(cluster.Version)
	reach := storeConfig(s).Endpoints
	session := openSession(s.sessionFile(), reach)
	records := registry.New(counts.Store(store), registry.Options{Prefix: s.EtcdKeyPrefix, Logger: log, History: session.history()})
	keeper.restored = records.Restored

	host, err := systemd.New(systemd.Options{User: s.SystemdUser, UnitsDir: s.unitsDirectory(), FenceDir: s.fence().Dir, Logger: log, Events: counts.Systemd()})
	if err != nil {
		return err
	}
	var member *presence.Presence
	worker, err := agent.New(host, agent.Options{
		Machine:   machine.ID,
		BootID:    machine.Session.BootID,
		StateFile: filepath.Join(s.StateDir, "agent.json"),
		Guard:     s.guard(log),
		Guarded:   func(times cluster.Fence) { member.Amend(func(m *cluster.Machine) { m.Fence = times }) },
		Logger:    log,
		Events:    counts.Agent(),
	})
	if err != nil {
		return err
	}
	machine.Fence = s.resumedFence(session.Load().Session)
	leaves := leaving.New(leaving.Options{
		Machine: machine.ID, BootID: machine.Session.BootID, Records: records, Host: host, Logger: log,
		Leave: func(leaves bool) { member.Amend(func(m *cluster.Machine) { m.Leaving = leaves }) },
		Ready: func() error { return member.Ready() },
	})
	var server *api.Server
	leading := leads{keep: func(following bool) { server.Keep(following) }}
	member = presence.New(records, worker, presence.Options{
		Machine:       machine,
		LeaseTTL:      s.leaseTTL(),
		DisableEngine: s.DisableEngine,
		Brain:         s.brain(),
		Events:        leading.events(counts.Engine()),
		Space:         keeper.Space,
		Memory:        session,
		Settings:      leaves.Follow,
		Status:        func(words string) { notify(log, "STATUS="+words) },
		Logger:        log,
	})
	changes := &live{
		started: s, now: s, offered: machine.Capacity, offer: Settings.offer,
		reload: reload, change: member.Change, log: log,
	}
	log.Info("this machine has room for units", offered(machine.Capacity))
	peers, err := peerTLS(s)
	if err != nil {
		return err
	}
	server = api.New(records, api.Options{
		Version: cluster.Version, Ready: member.Ready, PageSize: s.TokenLimit, Limits: s.apiLimits(),
		Local: host, Machine: machine.ID, PeerTLS: peers,
		Advisor: schedule.Advisor(s.brain()), Keeper: keeper, Logger: log,
		Follow: api.Follow{Count: records.CountMachines, Machines: s.APIFollowMachines}, Applied: counts.Applied(),
	})
	counts.Watch(metrics.Sources{
		Ready: member.Ready, Session: member.Session, Units: worker.Tally, Backlog: worker.Backlog, Asked: host.Asked, API: server.Load,
	})
	listeners, err := listen(s)
	if err != nil {
		return err
	}

	return inOrder(ctx,
		// What the roles stand on ends after them.
		func(ctx context.Context, g *errgroup.Group) {
			g.Go(func() error { return host.Run(ctx) })
			if s.Embedded() {
				g.Go(func() error { return keeper.member.Run(ctx) })
			}
		},
		func(ctx context.Context, g *errgroup.Group) {
			g.Go(func() error { return worker.Run(ctx) })
			g.Go(func() error { return server.Run(ctx) })
			g.Go(func() error { return member.Run(ctx) })
			g.Go(func() error { return changes.Run(ctx) })
			if !s.SystemdUser { // which comes and goes with its user, not with the host
				g.Go(func() error { return leaves.Run(ctx) })
				g.Go(func() error { return leaves.Serve(ctx, s.handOverSocket()) })
			}
			g.Go(func() error { return session.keep(ctx, records.History, log) })
			g.Go(func() error { return keeper.mark(ctx) })
			g.Go(func() error { return keeper.tidy(ctx) })
			g.Go(func() error { return keepEndpoints(ctx, session, reach, keeper.reachable, log) })
			g.Go(func() error { return serve(ctx, listeners, counts.Serve(server.Handler()), s.APIRequestTimeout, log) })
			g.Go(func() error { return giveBack(ctx, log) })
			g.Go(func() error { return feedWatchdog(ctx, log, aliveProbe(server.Handler())) })
			notify(log, "READY=1")
		})
}

// inOrder runs the base and, on it, the roles. When ctx ends, or anything in
// either returns an error, the roles are ended first and the base after them.
func inOrder(ctx context.Context, base, roles func(context.Context, *errgroup.Group)) error {
	baseCtx, stopBase := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBase()
	below, baseCtx := errgroup.WithContext(baseCtx)
	base(baseCtx, below)

	rolesCtx, stopRoles := context.WithCancel(ctx)
	defer stopRoles()
	defer context.AfterFunc(baseCtx, stopRoles)()
	above, rolesCtx := errgroup.WithContext(rolesCtx)
	roles(rolesCtx, above)

	errRoles := above.Wait()
	stopBase()
	errBase := below.Wait()
	return errors.Join(ignoreCanceled(errBase), ignoreCanceled(errRoles))
}

// ignoreCanceled drops the error of a part that ended because it was told to.
func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
