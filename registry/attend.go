package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

// obtainAgent sees to a lease of the agent's: the one of a former process if that still
// lives, as when that process was killed, or else a new one.
func (j *joining) obtainAgent(ctx context.Context) error {
	was := j.hold.Agent
	if was != 0 {
		_, err := j.registry.store.KeepAlive(ctx, was)
		fits := false
		if err == nil {
			fits, _, err = j.fits(ctx, was)
		}
		switch {
		case errors.Is(err, ErrLeaseNotFound):
			was = 0
		case err != nil || fits:
			return err
		}
	}
	lease, err := j.registry.store.Grant(ctx, j.options.TTL)
	if err != nil {
		return err
	}
	j.hold.Agent = lease
	if was != 0 {
		j.revoke(ctx, was)
	}
	return nil
}

// agentLease is the lease that tells that this fleetd serves. It may change within a session.
func (m *Member) agentLease() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.hold.Agent
}

// attend gets the agent another lease when the one it had has ended while the session lives on, as
// when this process was stopped for longer than its lease while the machine's fence went on renewing the session's.
// What was bound to the former lease is gone: the lead, if this machine had it.
func (m *Member) attend(ctx context.Context) error {
	lease, err := m.registry.store.Grant(ctx, m.ttl)
	if err != nil {
		return err
	}
	m.mu.Lock()
	m.mu.hold.Agent = lease
	hold := m.mu.hold
	m.mu.Unlock()
	m.remember(hold)
	_, err = m.registry.commit(ctx, Txn{
		If:   []Compare{m.present()},
		Then: []Op{Put(m.agent.key, m.agent.expected(), lease)},
	})
	switch {
	case errors.Is(err, cluster.ErrConflict):
		return cluster.ErrSessionLost
	case errors.Is(err, ErrLeaseNotFound):
		return fmt.Errorf("%w: the agent's new lease has ended already", cluster.ErrUnavailable)
	}
	return err // if it was not written its guard does that
}

// retire ends the agent's lease: from now on nobody serves the machine, and it has no candidate.
// If the store cannot be reached the lease runs out.
func (m *Member) retire(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), resignTimeout)
	defer cancel()
	err := m.registry.store.Revoke(ctx, m.agentLease())
	if err != nil && !errors.Is(err, ErrLeaseNotFound) {
		m.registry.log.Warn("cannot tell the cluster that this fleetd stops; its lease runs out", "machine", m.machine.ID, "err", err)
	}
}

func (m *Member) remember(h Hold) {
	if m.keep == nil {
		return
	}
	if err := m.keep(h); err != nil {
		m.registry.log.Warn("cannot remember the session", "session", h.Session, "err", err)
	}
}

func agentSession(id cluster.MachineID, p Pair) (cluster.Session, error) {
	a, err := decodeAgent(id, p)
	if err != nil {
		return cluster.Session{}, err
	}
	return a.Session, nil
}

// Recovered is when the store last answered this member after it had not renewed its session for
// more than two thirds of the TTL; zero if that never was. Only then can the lease of another have ended, who was to
// renew it after one third. Who is cut off from the store knows nothing of others: when
// it is back, those may have been cut off as well and be about to return.
func (m *Member) Recovered() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.recovered
}
