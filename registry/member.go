package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Member is a machine that is present: the token of one session. It may be
// used from several goroutines at once, and is of no use after its session.
type Member struct {
	registry *Registry
	machine  cluster.Machine
	created  int64 // revision that created the machine's record; the fence of all this member writes

	presence guarded // the machine's record
	report   guarded

	mu struct {
		sync.Mutex
		renewed time.Time
		end     context.CancelCauseFunc // of the session's context
	}
}

func newMember(r *Registry, m cluster.Machine, record []byte, created int64, renewed time.Time) *Member {
	member := &Member{registry: r, machine: m, created: created}
	member.presence.key, member.presence.session = r.keys.machine(m.ID), machineSession
	member.presence.expect(record)
	member.report.key, member.report.session = r.keys.report(m.ID), reportSession
	member.mu.renewed = renewed
	return member
}

// Since is when the session began, by this machine's clock.
func (m *Member) Since() time.Time { return m.machine.Since }

// Session is the session this member is of.
func (m *Member) Session() cluster.Session { return m.machine.Session }

// Renewed is when the last successful renewal of the session's lease was sent.
// The session cannot have ended before that plus its TTL.
func (m *Member) Renewed() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.renewed
}

// live runs fn and keeps the lease alive until fn has returned.
func (m *Member) live(ctx context.Context, ttl time.Duration, fn func(context.Context, *Member) error) error {
	session, end := context.WithCancelCause(ctx)
	defer end(nil)
	m.mu.Lock()
	m.mu.end = end
	m.mu.Unlock()

	// The lease is renewed while fn cleans up, too.
	renewal, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() {
		if err := m.renew(renewal, ttl); errors.Is(err, ErrLeaseNotFound) {
			end(cluster.ErrSessionLost)
		}
	})
	guard, dismiss := context.WithCancel(session)
	var guarding sync.WaitGroup
	guarding.Go(func() { m.guard(guard, &m.presence) })
	guarding.Go(func() { m.guard(guard, &m.report) })

	err := fn(session, m)
	dismiss()
	guarding.Wait()
	stop()
	renewing.Wait()

	switch {
	case errors.Is(context.Cause(session), cluster.ErrSessionLost):
		return fmt.Errorf("machine %s, session %s: %w", m.machine.ID, m.Session(), cluster.ErrSessionLost)
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// renew keeps the lease alive until ctx ends or the store says that there is no such lease.
//
// A renewal is due after a third of the TTL, so that two may fail. A try is
// given a quarter: with several members of the store the next one goes to another of them.
func (m *Member) renew(ctx context.Context, ttl time.Duration) error {
	log := m.registry.log.With("machine", m.machine.ID, "session", m.Session())
	due := m.Renewed().Add(ttl / 3)
	failed := false
	for {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return ctx.Err()
		}
		sent := time.Now()
		try, cancel := context.WithTimeout(ctx, ttl/4)
		err := m.registry.store.KeepAlive(try, m.Session().Lease)
		cancel()
		switch {
		case err == nil:
			if failed {
				log.Info("the session is renewed again")
			}
			failed = false
			m.mu.Lock()
			m.mu.renewed = sent
			m.mu.Unlock()
			due = sent.Add(ttl / 3)
		case errors.Is(err, ErrLeaseNotFound):
			log.Warn("the session has ended")
			return err
		default:
			if !failed && ctx.Err() == nil {
				log.Warn("cannot renew the session, trying again", "err", err)
			}
			failed = true
			due = time.Now().Add(ttl / 50)
		}
	}
}

// lost ends the session's context.
func (m *Member) lost() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.end(cluster.ErrSessionLost)
}

// present holds while the machine's record is the one of this session.
func (m *Member) present() Compare {
	return Compare{Key: m.presence.key, Created: true, Revision: m.created}
}

// File returns the bytes of a unit file as Registry.File does.
func (m *Member) File(ctx context.Context, id unit.ContentID) ([]byte, error) {
	return m.registry.File(ctx, id)
}

// Report writes what this machine says of its units, bound to the session's
// lease. The machine and the session of the report are the member's. When the machine's
// record is no longer the session's the session ends, and the error is cluster.ErrSessionLost.
func (m *Member) Report(ctx context.Context, report cluster.Report) error {
	report.Session = m.Session()
	value, err := encodeReport(report)
	if err != nil {
		return fmt.Errorf("encode report of machine %s: %w", m.machine.ID, err)
	}
	m.report.expect(value)
	err = m.putReport(ctx, value)
	if errors.Is(err, cluster.ErrConflict) || errors.Is(err, ErrLeaseNotFound) {
		m.lost()
		err = cluster.ErrSessionLost
	}
	if err != nil {
		return fmt.Errorf("write report of machine %s: %w", m.machine.ID, err)
	}
	return nil
}

// putReport writes over the report that is there now and over no later one. A
// try that got no answer may still be on its way, held up by a network that is about to heal: it must not undo
// what was reported after it. cluster.ErrConflict: the machine's record is not the session's.
func (m *Member) putReport(ctx context.Context, value []byte) error {
	for {
		out, err := m.registry.store.Txn(ctx, Txn{
			If:   []Compare{m.present(), {Key: m.report.key, Revision: m.report.last()}},
			Then: []Op{Put(m.report.key, value, m.Session().Lease)},
			Else: []Op{Get(m.presence.key), Get(m.report.key)},
		})
		if err != nil {
			return err
		}
		if out.Succeeded {
			m.report.wrote(out.Revision)
			return nil
		}
		record, there := out.Got[0], out.Got[1]
		if record == nil || record.Created != m.created {
			return cluster.ErrConflict
		}
		if there == nil {
			there = &Pair{}
		}
		m.report.wrote(there.Mod)
	}
}
