package registry

import (
	"context"
	"errors"
)

// errSeen ends a watch that has seen what it was for.
var errSeen = errors.New("seen")

// awaitDeletion waits until a key is deleted at revision from or later. Like all of these it also returns nil
// when that may have happened unseen, because revisions were compacted away: callers look again.
func (r *Registry) awaitDeletion(ctx context.Context, key string, from int64) error {
	return r.await(ctx, key, from, func(e Event) bool { return e.Deleted })
}

// awaitChange waits likewise until a key is written or deleted.
func (r *Registry) awaitChange(ctx context.Context, key string, from int64) error {
	return r.await(ctx, key, from, func(Event) bool { return true })
}

func (r *Registry) await(ctx context.Context, key string, from int64, seen func(Event) bool) error {
	err := r.store.Watch(ctx, Keys{Name: key}, from, func(b Batch) error {
		for _, e := range b.Events {
			if seen(e) {
				return errSeen
			}
		}
		return nil
	})
	var compacted *CompactedError
	if errors.Is(err, errSeen) || errors.As(err, &compacted) {
		return nil
	}
	return err
}
