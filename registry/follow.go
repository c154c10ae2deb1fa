package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"fleet/cluster"
)

// How long to wait before asking a store again that did not answer or refused.
const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = time.Second
)

// Follow calls fn first with everything that is recorded, at one revision (a
// Reset), and then with every change, once and in order, one revision at a
// time. When changes were compacted away before they could be told, or the store refused
// to go on for another reason, another Reset follows. It
// blocks until ctx ends, whose error it returns, or until fn fails, whose error
// it returns. Losing the store does not end it.
//
// A record that cannot be read is told of as cluster.Corrupted.
func (r *Registry) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	f := follower{registry: r, fn: fn}
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
			r.log.Info("changes were compacted away, reading everything anew", "rev", compacted.Revision)
			continue
		}
		r.log.Warn("cannot follow the records, trying again", "err", err)
		if err := retry.wait(ctx); err != nil {
			return err
		}
	}
}

// follower is one Follow in progress.
type follower struct {
	registry *Registry
	fn       func(cluster.Update) error
	stopped  error // by fn
	election election
}

// run reads a snapshot and follows it until that fails.
func (f *follower) run(ctx context.Context, reached func()) error {
	ctx, leave := f.registry.store.within(ctx)
	defer leave()
	revision, err := f.snapshot(ctx)
	if err != nil {
		return fmt.Errorf("read all records: %w", err)
	}
	reached()
	err = f.registry.store.Watch(ctx, f.registry.keys.all(), revision+1, f.changed)
	return cmp.Or(context.Cause(ctx), err)
}

func (f *follower) snapshot(ctx context.Context) (int64, error) {
	f.election = election{}
	update := cluster.Update{Reset: true}
	revision, err := walkAll(ctx, f.registry.store, f.registry.keys, func(p Pair) {
		update.Changes = f.take(update.Changes, Event{Pair: p})
	})
	if err != nil {
		return 0, err
	}
	update.Revision = revision
	update.Changes = append(update.Changes, cluster.LeaderChanged{Machine: f.election.leader()})
	return revision, f.tell(update)
}

func (f *follower) changed(b Batch) error {
	update := cluster.Update{Revision: b.Revision}
	before := f.election.leader()
	for _, e := range b.Events {
		update.Changes = f.take(update.Changes, e)
	}
	if now := f.election.leader(); now != before {
		update.Changes = append(update.Changes, cluster.LeaderChanged{Machine: now})
	}
	if len(update.Changes) == 0 {
		return nil
	}
	return f.tell(update)
}

// take adds what an event means to changes, or to the state of the election.
func (f *follower) take(changes []cluster.Change, e Event) []cluster.Change {
	if kind, _, ok := f.registry.keys.split(e.Key); ok && kind == KindElection {
		f.election.take(e)
		return changes
	}
	if change, ok := f.registry.keys.change(e); ok {
		return append(changes, change)
	}
	return changes
}

func (f *follower) tell(u cluster.Update) error {
	f.stopped = f.fn(u)
	return f.stopped
}

// backoff spaces repeated attempts, from firstRetry up to lastRetry.
type backoff struct{ next time.Duration }

func (b *backoff) reset() { b.next = 0 }

func (b *backoff) wait(ctx context.Context) error {
	b.next = min(max(2*b.next, firstRetry), lastRetry)
	select {
	case <-time.After(b.next):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
