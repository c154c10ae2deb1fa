package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/registry"
)

var errEnough = errors.New("enough")

func watchHistory(t *testing.T, b Backend) {
	x, y := b.Prefix+"/x", b.Prefix+"/y"
	r1 := b.do(t, registry.Put(x, []byte("1"), 0), registry.Put(y, []byte("1"), 0)).Revision
	r2 := b.do(t, registry.Put(x, []byte("2"), 0)).Revision
	r3 := b.do(t, registry.Delete(x), registry.Put(y, []byte("3"), 0)).Revision
	want := []registry.Batch{
		{Revision: r1, Events: []registry.Event{
			{Pair: registry.Pair{Key: x, Value: []byte("1"), Created: r1, Mod: r1}},
			{Pair: registry.Pair{Key: y, Value: []byte("1"), Created: r1, Mod: r1}},
		}},
		{Revision: r2, Events: []registry.Event{
			{Pair: registry.Pair{Key: x, Value: []byte("2"), Created: r1, Mod: r2}},
		}},
		{Revision: r3, Events: []registry.Event{
			{Deleted: true, Pair: registry.Pair{Key: x, Mod: r3}},
			{Pair: registry.Pair{Key: y, Value: []byte("3"), Created: r1, Mod: r3}},
		}},
	}
	equal(t, b.watch(t, b.keys(), r1, 3), want)
	equal(t, b.watch(t, b.keys(), r2, 2), want[1:])
}

func watchFuture(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	now := b.do(t, registry.Put(x, []byte("0"), 0)).Revision
	writing := make(chan error, 1)
	go func() {
		for i := range 50 {
			if _, err := b.Store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(x, fmt.Append(nil, i+1), 0)}}); err != nil {
				writing <- err
				return
			}
		}
		writing <- nil
	}()
	for i, batch := range b.watch(t, b.keys(), now+2, 49) {
		equal(t, batch.Revision, now+2+int64(i))
		equal(t, string(batch.Events[0].Value), fmt.Sprint(i+2))
	}
	ok(t, <-writing)
}

func watchKeys(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	first := b.do(t, registry.Put(x+"y", nil, 0), registry.Put(b.Prefix+"0", nil, 0)).Revision
	r := b.do(t, registry.Put(x, nil, 0), registry.Put(x+"y", nil, 0)).Revision
	b.do(t, registry.Put(b.Prefix, nil, 0))
	last := b.do(t, registry.Delete(x)).Revision

	got := b.watch(t, registry.Keys{Name: x}, first, 2)
	equal(t, got[0].Revision, r)
	equal(t, len(got[0].Events), 1)
	equal(t, got[1].Revision, last)
	got = b.watch(t, b.keys(), first, 3)
	equal(t, got[0].Revision, first)
	equal(t, len(got[0].Events), 1)
	equal(t, got[2].Revision, last)
}

func watchCompacted(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	first := b.do(t, registry.Put(x, []byte("1"), 0)).Revision
	b.do(t, registry.Put(x, []byte("2"), 0))
	last := b.do(t, registry.Put(x, []byte("3"), 0)).Revision
	b.Compact(t, last)

	err := b.Store.Watch(t.Context(), b.keys(), first, func(registry.Batch) error { return errEnough })
	var compacted *registry.CompactedError
	if !errors.As(err, &compacted) {
		t.Fatalf("watch of a compacted revision: %v", err)
	}
	equal(t, compacted.Revision, last)
	equal(t, b.watch(t, b.keys(), last, 1)[0].Revision, last)
}

func watchEnds(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	r := b.do(t, registry.Put(x, nil, 0)).Revision
	ctx, cancel := context.WithCancel(t.Context())
	err := b.Store.Watch(ctx, b.keys(), r, func(registry.Batch) error { cancel(); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("watch ended with %v", err)
	}
}

func callEnds(t *testing.T, b Backend) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.Store.Range(ctx, registry.Query{Keys: b.keys()})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("range under an ended context: %v", err)
	}
	_, err = b.Store.Grant(ctx, time.Second)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("grant under an ended context: %v", err)
	}
}
