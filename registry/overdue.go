package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
)

// overdueSlack is how much later than due a renewal may come: it has to travel, and its sender may be busy.
const overdueSlack = 500 * time.Millisecond

// askAtOnce is how many leases are asked for at a time.
const askAtOnce = 64

// Overdue tells of which of some machines the renewal of their session has not come when it was
// due, after a third of its TTL: they may be about to be lost, or are, and whoever asks has not heard it yet. The store tells of leases in whole seconds, so
// that this may be found up to a second late, and never early.
func (t *Term) Overdue(ctx context.Context, ids []cluster.MachineID) ([]cluster.MachineID, error) {
	late := make([]bool, len(ids))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(askAtOnce)
	for i, id := range ids {
		g.Go(func() (err error) {
			if late[i], err = t.overdue(ctx, id); err != nil {
				return fmt.Errorf("find out whether machine %s is about to be lost: %w", id, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var overdue []cluster.MachineID
	for i, id := range ids {
		if late[i] {
			overdue = append(overdue, id)
		}
	}
	return overdue, nil
}

func (t *Term) overdue(ctx context.Context, id cluster.MachineID) (bool, error) {
	r := t.member.registry
	pair, _, err := r.get(ctx, r.keys.machine(id))
	if err != nil {
		return false, err
	}
	if pair == nil {
		return true, nil // its lease has just ended
	}
	if pair.Lease == 0 {
		return false, nil
	}
	left, granted, err := r.store.TimeToLive(ctx, pair.Lease)
	if errors.Is(err, ErrLeaseNotFound) {
		return true, nil
	}
	return granted-left > granted/3+overdueSlack, err
}
