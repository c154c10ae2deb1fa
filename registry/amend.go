package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"fleet/cluster"
)

// Amend says anew what this machine is, as when its capacity has changed. The id, the session and when
// it began stay what they are. When the machine's record is no longer the session's
// the session ends, and the error is cluster.ErrSessionLost.
func (m *Member) Amend(ctx context.Context, now cluster.Machine) error {
	now.ID, now.Session, now.Since, now.Attends = m.machine.ID, m.machine.Session, m.machine.Since, true
	value, err := encodeMachine(now)
	if err != nil {
		return fmt.Errorf("encode machine %s: %w", now.ID, err)
	}
	m.presence.expect(value)
	err = m.putMachine(ctx, value)
	if errors.Is(err, cluster.ErrConflict) || errors.Is(err, ErrLeaseNotFound) {
		m.lost()
		err = cluster.ErrSessionLost
	}
	if err != nil {
		return fmt.Errorf("amend machine %s: %w", now.ID, err)
	}
	return nil
}

// putMachine writes over the record that is there now and over no later one, for
// the same reason as putReport.
func (m *Member) putMachine(ctx context.Context, value []byte) error {
	for {
		pair, _, err := m.registry.get(ctx, m.presence.key)
		switch {
		case err != nil:
			return err
		case pair == nil || pair.Created != m.created:
			return cluster.ErrConflict
		case bytes.Equal(pair.Value, value) && pair.Lease == m.Session().Lease:
			return nil
		}
		_, err = m.registry.commit(ctx, Txn{
			If:   []Compare{m.present(), {Key: pair.Key, Revision: pair.Mod}},
			Then: []Op{Put(pair.Key, value, m.Session().Lease)},
		})
		if !errors.Is(err, cluster.ErrConflict) {
			return err
		}
	}
}
