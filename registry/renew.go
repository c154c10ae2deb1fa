package registry

import (
	"context"
	"errors"
	"time"

	"fleet/cluster"
)

// renewal is what keeps one lease of a member alive.
type renewal struct {
	of      string
	lease   func() int64
	renewed func(sent time.Time)        // by what was sent then
	ended   func(context.Context) error // sees to another lease, or fails with what ends the renewals
}

func (m *Member) sessionRenewal() renewal {
	return renewal{
		of:      "session",
		lease:   func() int64 { return m.Session().Lease },
		renewed: m.wasRenewed,
		ended:   func(context.Context) error { return ErrLeaseNotFound },
	}
}

func (m *Member) agentRenewal() renewal {
	return renewal{of: "agent", lease: m.agentLease, renewed: func(time.Time) {}, ended: m.attend}
}

func (m *Member) wasRenewed(sent time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.mu.renewed) > m.ttl*2/3 { // a renewal that fails once comes sooner
		m.mu.recovered = m.registry.now()
	}
	m.mu.renewed = sent
}

// heed looks whether the store has gone back when a renewal makes it look so, and now and then: in a quiet cluster nothing
// else would ask.
func (m *Member) heed(ctx context.Context) {
	for {
		select {
		case <-m.registry.store.doubts:
		case <-time.After(m.ttl):
		case <-m.line.Done():
			return // it has: the session is over
		case <-ctx.Done():
			return
		}
		at := m.registry.store.now()
		try, cancel := context.WithTimeout(ctx, m.ttl/4)
		_ = m.registry.store.check(try, at, m.report.lastPut()) // what is found out ends the session; what is not, is looked for again
		cancel()
	}
}

// renew keeps a lease alive until ctx ends, or the lease has and there is to be no other.
//
// A renewal is due after a third of the TTL, so that two may fail. A try is
// given a quarter: with several members of the store the next one goes to another of them.
func (m *Member) renew(ctx context.Context, r renewal) error {
	log := m.registry.log.With("machine", m.machine.ID, "session", m.Session(), "lease", r.of)
	due := m.Renewed().Add(m.ttl / 3)
	failed := false
	for {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return ctx.Err()
		}
		sent := time.Now()
		try, cancel := context.WithTimeout(ctx, m.ttl/4)
		_, err := m.registry.store.KeepAlive(try, r.lease())
		cancel()
		if errors.Is(err, ErrLeaseNotFound) {
			log.Warn("a lease has ended")
			err = r.ended(ctx)
		}
		switch {
		case err == nil:
			if failed {
				log.Info("a lease is renewed again")
			}
			failed = false
			r.renewed(sent)
			due = sent.Add(m.ttl / 3)
		case errors.Is(err, ErrLeaseNotFound), errors.Is(err, cluster.ErrSessionLost):
			return err
		default:
			if !failed && ctx.Err() == nil {
				log.Warn("cannot renew a lease, trying again", "err", err)
			}
			failed = true
			due = time.Now().Add(m.ttl / 50)
		}
	}
}
