package etcd

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"fleet/registry"
)

const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = time.Second

	maxPatience = 5 * watchPatience
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
	w := watch{client: pb.NewWatchClient(c.etcd.ActiveConnection()), keys: keys, next: from, fn: fn, patience: watchPatience}
	retry := firstRetry
	for {
		err := w.stream(ctx)
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
		case !transient(err):
			return fmt.Errorf("watch etcd: %w", err)
		}
		w.patience = min(w.patience+watchPatience, maxPatience)
		if w.heard {
			w.heard, w.patience, retry = false, watchPatience, firstRetry
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
	client  pb.WatchClient
	keys    registry.Keys
	next    int64 // revision to go on from
	fn      func(registry.Batch) error
	stopped error // by fn
	heard   bool  // the present stream has worked

	// patience is how long a new stream may take to begin. It grows, because
	// a cluster that is slow is not served faster by asking again.
	patience time.Duration
}

// stream watches over one stream until that breaks.
func (w *watch) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stream, err := w.client.Watch(clientv3.WithRequireLeader(ctx), grpc.MaxCallRecvMsgSize(math.MaxInt32))
	if err != nil {
		return rpctypes.Error(err)
	}
	if err := stream.Send(w.create()); err != nil {
		return rpctypes.Error(err)
	}
	guard := newGuard(stream, w.patience, func() { cancel(errSilent) })
	defer guard.stop()
	for ; ; guard.listen() {
		resp, err := stream.Recv()
		guard.stop()
		if err != nil && errors.Is(context.Cause(ctx), errSilent) {
			return errSilent
		}
		if err != nil {
			return rpctypes.Error(err)
		}
		if err := w.take(resp); err != nil {
			return err
		}
	}
}

// create asks for whole revisions: without fragments etcd divides none.
func (w *watch) create() *pb.WatchRequest {
	req := &pb.WatchCreateRequest{Key: []byte(w.keys.Name), StartRevision: w.next}
	if w.keys.Prefix {
		req.RangeEnd = []byte(clientv3.GetPrefixRangeEnd(w.keys.Name))
	}
	return &pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{CreateRequest: req}}
}

// take hands on the events of a response, which may be of several revisions.
func (w *watch) take(resp *pb.WatchResponse) error {
	switch {
	case resp.CompactRevision != 0:
		return &registry.CompactedError{Revision: resp.CompactRevision}
	case resp.Canceled:
		return &errRefused{reason: resp.CancelReason}
	}
	w.heard = true
	var batch registry.Batch
	for _, e := range resp.Events {
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
