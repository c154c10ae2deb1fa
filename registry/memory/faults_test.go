package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
)

func in(t *testing.T, test func(t *testing.T, server *memory.Server, client *memory.Client)) {
	synctest.Test(t, func(t *testing.T) {
		server := memory.New()
		defer server.Close()
		test(t, server, server.Client())
	})
}

func TestAStoppedProcessDoesNothingUntilItGoesOn(t *testing.T) {
	in(t, func(t *testing.T, server *memory.Server, client *memory.Client) {
		client.Pause()
		start := time.Now()
		time.AfterFunc(time.Minute, client.Continue)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Grant(ctx, time.Hour); err == nil || time.Since(start) != time.Minute {
			t.Errorf("it ended after %s: %v", time.Since(start), err)
		}
		if _, err := put(t, client, "x"); err != nil {
			t.Error(err)
		}
	})
}

func TestASlowRequestTakesPlaceAlsoWhenItsCallerHasGivenUp(t *testing.T) {
	in(t, func(t *testing.T, server *memory.Server, client *memory.Client) {
		client.Slow(2 * time.Second)
		if _, err := put(t, client, "x"); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("answered after 4 s: %v", err)
		}
		if server.Revision() != 2 {
			t.Error("it did not take place")
		}
		client.Slow(time.Second)
		if _, err := put(t, client, "x"); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
	})
}

func TestATrapIsTheEndOfAProcess(t *testing.T) {
	for _, carriedOut := range []bool{false, true} {
		in(t, func(t *testing.T, server *memory.Server, client *memory.Client) {
			dead := make(chan struct{})
			client.Trap(1, carriedOut, func() { close(dead) })
			if _, err := put(t, client, "x"); err != nil {
				t.Error(err)
			}
			if _, err := put(t, client, "y"); err == nil {
				t.Error("the second write was answered")
			}
			<-dead
			client.Heal()
			if _, err := put(t, client, "z"); err == nil {
				t.Error("the dead wrote")
			}
			expected := int64(2)
			if carriedOut {
				expected = 3
			}
			if server.Revision() != expected {
				t.Errorf("the store is at %d, expected %d", server.Revision(), expected)
			}
		})
	}
}

func TestNoLeaseEndsWhileTheStoreIsHalted(t *testing.T) {
	in(t, func(t *testing.T, server *memory.Server, client *memory.Client) {
		lease, err := client.Grant(t.Context(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(8 * time.Second)
		server.Halt()
		if _, err := client.KeepAlive(t.Context(), lease); !errors.Is(err, cluster.ErrUnavailable) {
			t.Errorf("a halted store answered: %v", err)
		}
		time.Sleep(time.Hour)
		server.Resume()
		time.Sleep(9 * time.Second)
		server.Elect()
		time.Sleep(9 * time.Second)
		if _, err := client.KeepAlive(t.Context(), lease); err != nil {
			t.Error(err)
		}
	})
}

func TestARestoredStoreIsAsItWas(t *testing.T) {
	in(t, func(t *testing.T, server *memory.Server, client *memory.Client) {
		kept, err := client.Grant(t.Context(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		bind := registry.Txn{Then: []registry.Op{registry.Put("bound", nil, kept)}}
		if _, err := client.Txn(t.Context(), bind); err != nil {
			t.Fatal(err)
		}
		backup := server.Backup()
		later, err := client.Grant(t.Context(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := put(t, client, "late"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(8 * time.Second)
		server.Restore(backup)
		time.Sleep(8 * time.Second)
		if _, err := client.KeepAlive(t.Context(), later); !errors.Is(err, registry.ErrLeaseNotFound) {
			t.Errorf("a lease that was granted later: %v", err)
		}
		page, err := client.Range(t.Context(), registry.Query{Keys: registry.Keys{Prefix: true}})
		if err != nil || len(page.Pairs) != 1 || page.Pairs[0].Key != "bound" || page.Revision != 2 {
			t.Errorf("restored: %+v, %v", page, err)
		}
		time.Sleep(3 * time.Second)
		if server.Revision() != 3 {
			t.Error("what was bound to the lease did not end with it")
		}
	})
}

func TestARaisedStoreHasNoLeasesAndGoesOnHigher(t *testing.T) {
	in(t, func(t *testing.T, server *memory.Server, client *memory.Client) {
		lease, err := client.Grant(t.Context(), 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range []registry.Op{registry.Put("bound", nil, lease), registry.Put("free", nil, 0)} {
			if _, err := client.Txn(t.Context(), registry.Txn{Then: []registry.Op{op}}); err != nil {
				t.Fatal(err)
			}
		}
		server.Restore(server.Backup())
		server.Raise()
		page, err := client.Range(t.Context(), registry.Query{Keys: registry.Keys{Prefix: true}})
		if err != nil || len(page.Pairs) != 1 || page.Pairs[0].Key != "free" || page.Revision < 1_000_000 {
			t.Errorf("raised: %+v, %v", page, err)
		}
		if _, err := client.KeepAlive(t.Context(), lease); !errors.Is(err, registry.ErrLeaseNotFound) {
			t.Errorf("the lease: %v", err)
		}
		var compacted *registry.CompactedError
		err = client.Watch(t.Context(), registry.Keys{Name: "free"}, 4, func(registry.Batch) error { return nil })
		if !errors.As(err, &compacted) {
			t.Errorf("a watch of what was: %v", err)
		}
	})
}
