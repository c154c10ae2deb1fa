package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/registry"
)

func (b Backend) keys() registry.Keys { return registry.Keys{Name: b.Prefix + "/", Prefix: true} }

func (b Backend) do(t *testing.T, ops ...registry.Op) registry.Outcome {
	t.Helper()
	out, err := b.Store.Txn(t.Context(), registry.Txn{Then: ops})
	ok(t, err)
	return out
}

func (b Backend) read(t *testing.T, key string) (*registry.Pair, int64, error) {
	page, err := b.Store.Range(t.Context(), registry.Query{Keys: registry.Keys{Name: key}})
	if err != nil || len(page.Pairs) == 0 {
		return nil, page.Revision, err
	}
	return &page.Pairs[0], page.Revision, nil
}

func (b Backend) get(t *testing.T, key string) (*registry.Pair, int64) {
	t.Helper()
	pair, revision, err := b.read(t, key)
	ok(t, err)
	return pair, revision
}

func (b Backend) grant(t *testing.T, ttl time.Duration) int64 {
	t.Helper()
	lease, err := b.Store.Grant(t.Context(), ttl)
	ok(t, err)
	return lease
}

// watch collects count revisions from a watch that begins at from.
func (b Backend) watch(t *testing.T, keys registry.Keys, from int64, count int) []registry.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []registry.Batch
	err := b.Store.Watch(ctx, keys, from, func(batch registry.Batch) error {
		if got = append(got, batch); len(got) == count {
			return errEnough
		}
		return nil
	})
	if err != errEnough {
		t.Fatalf("watch ended with %v after %+v", err, got)
	}
	return got
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unlike what is wanted (-want +got):\n%s", diff)
	}
}
