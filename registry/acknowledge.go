package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

// Acknowledge records that an operator has the engine go on in spite of the alarm of that name which was
// raised at since. It returns the revision at which that stands, or cluster.ErrNotFound if there is no such alarm, or no more.
func (r *Registry) Acknowledge(ctx context.Context, name cluster.AlarmName, since time.Time) (revision int64, err error) {
	for range maxAttempts {
		revision, err = r.acknowledge(ctx, name, since)
		if !errors.Is(err, cluster.ErrConflict) {
			break
		}
	}
	if err != nil {
		return 0, fmt.Errorf("acknowledge alarm %s: %w", name, err)
	}
	return revision, nil
}

// acknowledge writes only while the alarm stands: nobody would remove an acknowledgement that came after it.
func (r *Registry) acknowledge(ctx context.Context, name cluster.AlarmName, since time.Time) (int64, error) {
	pair, _, err := r.get(ctx, r.keys.alarm(name))
	if err != nil {
		return 0, err
	}
	if pair == nil {
		return 0, cluster.ErrNotFound
	}
	alarm, err := decodeAlarm(name, *pair)
	if err != nil {
		return 0, err
	}
	if !alarm.Since.Equal(since) {
		return 0, cluster.ErrNotFound
	}
	value, err := encodeAck(cluster.Ack{Name: name, Since: alarm.Since})
	if err != nil {
		return 0, err
	}
	return r.commit(ctx, Txn{
		If:   []Compare{{Key: pair.Key, Revision: pair.Mod}},
		Then: []Op{Put(r.keys.ack(name), value, 0)},
	})
}
