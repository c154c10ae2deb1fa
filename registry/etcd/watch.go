package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	"fleet/registry"
)

const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = time.Second
)

// errRefused carries the reason for which etcd cancelled a watch.
type errRefused struct{ reason string }

func (e *errRefused) Error() string { return "etcd refuses the watch: " + e.reason }

// Watch implements registry.Store. fn runs on the caller's goroutine.
//
// It speaks the protocol itself rather than through clientv3's Watcher, which resumes broken
// watches by itself, from where progress notifications said that they were; some versions
// of etcd said so too early, and events were lost. Here a watch resumes after the last event that fn was given.
func (c *Client) Watch(ctx context.Context, keys registry.Keys, from int64, fn func(registry.Batch) error) error {
	w := watch{streams: c.streams, keys: keys, next: from, fn: fn}
	retry := firstRetry
	for {
		err := w.follow(ctx)
		var compacted *registry.CompactedError
		var refused *errRefused
		switch {
		case w.stopped != nil:
			return w.stopped
		case ctx.Err() != nil:
			return ctx.Err()
		case c.etcd.Ctx().Err() != nil:
			return errors.New("watch etcd: the client is closed")
		case errors.As(err, &compacted), errors.As(err, &refused):
			return err
		case errors.Is(err, errBehind):
			continue
		case !transient(err) && !errors.Is(err, errAged):
			return fmt.Errorf("watch etcd: %w", err)
		}
		if w.heard {
			w.heard, retry = false, firstRetry
		}
		select {
		case <-time.After(retry/2 + rand.N(retry)): // a lost member sends all its readers elsewhere; not all at once
		case <-ctx.Done():
			return ctx.Err()
		}
		retry = min(2*retry, lastRetry)
	}
}

// watch is one Watch in progress.
type watch struct {
	streams *streams
	keys    registry.Keys
	next    int64 // revision to go on from
	fn      func(registry.Batch) error
	stopped error           // by fn
	heard   bool            // etcd has answered since the last time that it began
	part    []*mvccpb.Event // of what etcd tells in several messages: those that came
}

// follow hands on what is told until the stream breaks.
func (w *watch) follow(ctx context.Context) error {
	r, err := w.streams.join(ctx, w.keys, w.next)
	if err != nil {
		return err
	}
	defer r.leave()
	w.part = nil
	for {
		told, err := r.next(ctx)
		if err != nil {
			return err
		}
		for _, resp := range told {
			if err := w.take(resp); err != nil {
				return err
			}
		}
	}
}

// take hands on the events of a response, which may be of several revisions.
func (w *watch) take(resp *pb.WatchResponse) error {
	switch {
	case resp.CompactRevision != 0:
		return &registry.CompactedError{Revision: resp.CompactRevision}
	case aged(resp):
		return errAged
	case resp.Canceled:
		return &errRefused{reason: resp.CancelReason}
	}
	w.heard = true
	w.part = append(w.part, resp.Events...)
	if resp.Fragment {
		return nil // a revision may be divided
	}
	events := w.part
	w.part = nil
	var batch registry.Batch
	for _, e := range events {
		if e.Kv.ModRevision != batch.Revision {
			if err := w.tell(batch); err != nil {
				return err
			}
			batch = registry.Batch{Revision: e.Kv.ModRevision}
		}
		batch.Events = append(batch.Events, event(e))
	}
	return w.tell(batch)
}

func (w *watch) tell(b registry.Batch) error {
	if len(b.Events) == 0 || b.Revision < w.next {
		return nil
	}
	if w.stopped = w.fn(b); w.stopped != nil {
		return w.stopped
	}
	w.next = b.Revision + 1
	return nil
}

func event(e *mvccpb.Event) registry.Event {
	if e.Type == mvccpb.Event_DELETE {
		return registry.Event{Deleted: true, Pair: registry.Pair{Key: string(e.Kv.Key), Mod: e.Kv.ModRevision}}
	}
	return registry.Event{Pair: pair(e.Kv)}
}
