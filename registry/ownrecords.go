package registry

import (
	"context"
	"errors"

	"fleet/cluster"
)

// FollowOrders calls fn with the newest orders of this machine, at once and
// whenever they change; zero Orders if there are none. Orders may be addressed to another session.
// It blocks until ctx ends, whose error it returns, or fn fails, whose error it returns. When the
// store is found to have gone back it returns cluster.ErrSessionLost: no orders of another history are obeyed in this session.
//
// Orders that cannot be read are logged and kept from fn: nothing may be stopped because of them.
func (m *Member) FollowOrders(ctx context.Context, fn func(cluster.Orders) error) error {
	return followRecord(ctx, m, m.registry.keys.orders(m.machine.ID), fn, func(p Pair) (*cluster.Orders, error) {
		return decodeOrders(m.machine.ID, p)
	})
}

// FollowSettings calls fn likewise with what operators have laid over this machine; zero Settings if that is nothing.
func (m *Member) FollowSettings(ctx context.Context, fn func(cluster.Settings) error) error {
	return followRecord(ctx, m, m.registry.keys.settings(m.machine.ID), fn, decodeSettings)
}

func followRecord[T any](ctx context.Context, m *Member, key string, fn func(T) error, decode func(Pair) (*T, error)) error {
	f := recordFollower[T]{member: m, key: key, fn: fn, decode: decode, delivered: -1}
	retry := backoff{}
	for {
		err := f.run(ctx, retry.reset)
		if f.stopped != nil {
			return f.stopped
		}
		if m.line.Err() != nil || errors.Is(err, cluster.ErrSessionLost) {
			return cluster.ErrSessionLost
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var compacted *CompactedError
		if errors.As(err, &compacted) {
			continue
		}
		m.registry.log.Warn("cannot follow a record of this machine, trying again", "machine", m.machine.ID, "key", key, "err", err)
		if err := retry.wait(ctx); err != nil {
			return err
		}
	}
}

// recordFollower is the following of one record in progress.
type recordFollower[T any] struct {
	member    *Member
	key       string
	fn        func(T) error
	decode    func(Pair) (*T, error)
	delivered int64 // revision of the record last given to fn, 0 if it was told that there is none
	stopped   error // by fn
}

// run reads the record and follows it until that fails.
func (f *recordFollower[T]) run(ctx context.Context, reached func()) error {
	r := f.member.registry
	ctx, leave := r.store.within(ctx)
	defer leave()
	pair, revision, err := r.get(ctx, f.key)
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
	return r.store.Watch(ctx, Keys{Name: f.key}, revision+1, func(b Batch) error {
		return f.deliver(b.Events[len(b.Events)-1])
	})
}

// deliver gives fn what it was not given yet.
func (f *recordFollower[T]) deliver(e Event) error {
	if err := f.member.line.Err(); err != nil {
		return err // of a restored store: what it says is not for this session
	}
	var record T
	revision := int64(0)
	if !e.Deleted {
		decoded, err := f.decode(e.Pair)
		if err != nil {
			f.member.registry.log.Error("a record of this machine cannot be read, keeping to the former one",
				"machine", f.member.machine.ID, "key", f.key, "rev", e.Mod, "err", err)
			return nil
		}
		record, revision = *decoded, e.Mod
	}
	if revision == f.delivered {
		return nil
	}
	if revision < f.delivered && !e.Deleted {
		// Nothing that is put again is older than it was. What this says is of another history, and must not be
		// done in this session; the next one begins with what is then.
		f.member.registry.log.Error("a record of this machine is older than it was: the store was restored", "key", f.key, "rev", revision, "was", f.delivered)
		f.member.lost()
		return cluster.ErrSessionLost
	}
	f.delivered = revision
	f.stopped = f.fn(record)
	return f.stopped
}
