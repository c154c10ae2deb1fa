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

	since time.Time

	ttl  time.Duration
	keep func(Hold) error // may be nil
	over <-chan struct{}  // is closed when the session's context has ended

	line context.Context // ends when the store is found to have gone back

	presence guarded // the machine's record
	report   guarded
	agent    guarded // that this fleetd serves; bound to the agent's lease, the others to the session's

	mu struct {
		sync.Mutex
		renewed   time.Time
		recovered time.Time
		hold      Hold
		end       context.CancelCauseFunc // of the session's context
	}
}

func newMember(j *joining, now cluster.Machine) *Member {
	r := j.registry
	m := &Member{registry: r, machine: now, ttl: j.options.TTL, keep: j.options.Remember}
	at := r.now()
	m.since = at.Add(min(0, now.Since.Sub(at)))
	m.mu.hold = j.hold
	session := func() int64 { return now.Session.Lease }
	m.presence.key, m.presence.session, m.presence.lease = r.keys.machine(now.ID), machineSession, session
	m.report.key, m.report.session, m.report.lease = r.keys.report(now.ID), reportSession, session
	m.agent.key, m.agent.session, m.agent.lease = r.keys.agent(now.ID), agentSession, m.agentLease
	return m
}

// began takes in at which revision the record was created, and when its lease was last renewed.
func (m *Member) began(created int64, renewed time.Time) {
	m.created = created
	m.mu.renewed = renewed
}

// Since is when the session began. Steps of the clock after Join do not move it; what one before did to the time that a
// session to be resumed had written down is unknown, but it did not begin in the future.
func (m *Member) Since() time.Time { return m.since }

// Session is the session this member is of.
func (m *Member) Session() cluster.Session { return m.machine.Session }

// Renewed is when the last successful renewal of the session's lease was sent.
// The session cannot have ended before that plus its TTL.
func (m *Member) Renewed() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.renewed
}

// live runs fn and keeps the leases alive until fn has returned.
func (m *Member) live(ctx context.Context, fn func(context.Context, *Member) error) error {
	session, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer context.AfterFunc(m.line, func() { end(cluster.ErrSessionLost) })()
	m.over = session.Done()
	m.mu.Lock()
	m.mu.end = end
	m.mu.Unlock()

	// The leases are renewed while fn cleans up, too.
	renewals, stop := context.WithCancel(context.WithoutCancel(ctx))
	var renewing sync.WaitGroup
	renewing.Go(func() {
		if err := m.renew(renewals, m.sessionRenewal()); errors.Is(err, ErrLeaseNotFound) {
			end(cluster.ErrSessionLost)
		}
	})
	renewing.Go(func() {
		if err := m.renew(renewals, m.agentRenewal()); errors.Is(err, cluster.ErrSessionLost) {
			end(cluster.ErrSessionLost)
		}
	})
	renewing.Go(func() { m.heed(renewals) })
	guard, dismiss := context.WithCancel(session)
	var guarding sync.WaitGroup
	guarding.Go(func() { m.guard(guard, &m.presence) })
	guarding.Go(func() { m.guard(guard, &m.report) })
	guarding.Go(func() { m.guard(guard, &m.agent) })

	err := fn(session, m)
	dismiss()
	guarding.Wait()
	stop()
	renewing.Wait()
	m.retire(ctx)

	switch {
	case errors.Is(context.Cause(session), cluster.ErrSessionLost):
		return fmt.Errorf("machine %s, session %s: %w", m.machine.ID, m.Session(), cluster.ErrSessionLost)
	case ctx.Err() != nil:
		return nil
	}
	return err
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
		at, was := m.registry.store.now(), m.report.lastPut()
		out, err := m.registry.store.Txn(ctx, Txn{
			If:   []Compare{m.present(), {Key: was.key, Revision: was.revision}},
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
		if was.lost(there) {
			return m.registry.store.lacks(ctx, at, was, there)
		}
		if there == nil {
			there = &Pair{}
		}
		m.report.wrote(there.Mod)
	}
}
