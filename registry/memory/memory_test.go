package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/registry/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	for _, check := range storetest.Checks() {
		t.Run(check.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := memory.New()
				defer server.Close()
				check.Run(t, storetest.Backend{
					Store:  server.Client(),
					Prefix: "test",
					Compact: func(t *testing.T, revision int64) {
						if err := server.Compact(revision); err != nil {
							t.Fatal(err)
						}
					},
				})
			})
		})
	}
}

func put(t *testing.T, store registry.Store, key string) (int64, error) {
	out, err := store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(key, nil, 0)}})
	return out.Revision, err
}

func TestCutClientIsNotHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		client.Cut()
		start := time.Now()
		if _, err := put(t, client, "x"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("put over a cut connection: %v", err)
		}
		if time.Since(start) != 3*time.Second {
			t.Errorf("the call lasted %s", time.Since(start))
		}
		if server.Revision() != 1 {
			t.Error("a put over a cut connection took place")
		}

		time.AfterFunc(time.Second, client.Heal)
		if _, err := put(t, client, "x"); err != nil {
			t.Errorf("put over a connection that heals: %v", err)
		}
	})
}

func TestLostReplyLeavesTheChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client := server.Client()
		client.CutReplies()
		if _, err := put(t, client, "x"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("put without a reply: %v", err)
		}
		if server.Revision() != 2 {
			t.Error("a put whose reply was lost did not take place")
		}
	})
}

func TestWatchCatchesUpAfterACut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		client, other := server.Client(), server.Client()
		ctx, cancel := context.WithCancel(t.Context())
		var got []int64
		watching := make(chan error, 1)
		go func() {
			watching <- client.Watch(ctx, registry.Keys{Name: "x"}, 1, func(b registry.Batch) error {
				got = append(got, b.Revision)
				return nil
			})
		}()
		write := func(n int) {
			for range n {
				if _, err := put(t, other, "x"); err != nil {
					t.Fatal(err)
				}
			}
			synctest.Wait()
		}
		write(2)
		client.Cut()
		write(3)
		if len(got) != 2 {
			t.Errorf("heard of %d changes over a cut connection", len(got)-2)
		}
		client.Heal()
		write(1)
		if len(got) != 6 {
			t.Errorf("heard of %d changes out of 6", len(got))
		}
		cancel()
		<-watching
	})
}
