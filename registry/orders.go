package registry

import (
	"context"
	"errors"

	"fleet/cluster"
)

// FollowOrders calls fn with the newest orders of this machine, at once and
// whenever they change; zero Orders if there are none. Orders may be addressed to another session.
// It blocks until ctx ends, whose error it returns, or fn fails, whose error it returns.
//
// Orders that cannot be read are logged and kept from fn: nothing may be stopped because of them.
func (m *Member) FollowOrders(ctx context.Context, fn func(cluster.Orders) error) error {
	f := orderFollower{member: m, fn: fn, delivered: -1}
	retry := backoff{}
	for {
		err := f.run(ctx, retry.reset)
		if f.stopped != nil {
			return f.stopped
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var compacted *CompactedError
		if errors.As(err, &compacted) {
			continue
		}
		m.registry.log.Warn("cannot follow the orders, trying again", "machine", m.machine.ID, "err", err)
		if err := retry.wait(ctx); err != nil {
			return err
		}
	}
}

// orderFollower is one FollowOrders in progress.
type orderFollower struct {
	member    *Member
	fn        func(cluster.Orders) error
	delivered int64 // revision of the orders last given to fn, 0 if it was told that there are none
	stopped   error // by fn
}

// run reads the orders and follows them until that fails.
func (f *orderFollower) run(ctx context.Context, reached func()) error {
	r := f.member.registry
	key := r.keys.orders(f.member.machine.ID)
	pair, revision, err := r.get(ctx, key)
	if err != nil {
		return err
	}
	reached()
	now := Event{Deleted: true}
	if pair != nil {
		now = Event{Pair: *pair}
	}
	if err := f.deliver(now); err != nil {
		return err
	}
	return r.store.Watch(ctx, Keys{Name: key}, revision+1, func(b Batch) error {
		return f.deliver(b.Events[len(b.Events)-1])
	})
}

// deliver gives fn what it was not given yet.
func (f *orderFollower) deliver(e Event) error {
	var orders cluster.Orders
	if !e.Deleted {
		decoded, err := decodeOrders(f.member.machine.ID, e.Pair)
		if err != nil {
			f.member.registry.log.Error("the orders cannot be read, keeping to the former ones",
				"machine", f.member.machine.ID, "rev", e.Mod, "err", err)
			return nil
		}
		orders = *decoded
	}
	if orders.Revision == f.delivered {
		return nil
	}
	f.delivered = orders.Revision
	f.stopped = f.fn(orders)
	return f.stopped
}
