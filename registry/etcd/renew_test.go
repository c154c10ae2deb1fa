package etcd_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"fleet/registry"
)

func TestRenewalsDoNotWaitForEachOther(t *testing.T) {
	server := startServer(t)
	client := dial(t, server.Endpoints()...)
	lease, err := client.Grant(t.Context(), 7*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if ttl, err := client.Renew(t.Context(), lease); ttl != 7*time.Second || err != nil {
				t.Errorf("%s, %v", ttl, err)
			}
		})
	}
	all.Wait()
	if err := client.Revoke(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Renew(t.Context(), lease); !errors.Is(err, registry.ErrLeaseNotFound) {
		t.Errorf("of a lease that has ended: %v", err)
	}
}

func TestARenewalWithoutAnAnswerEndsWithItsContext(t *testing.T) {
	client := dial(t, "http://127.0.0.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := client.Renew(ctx, 1); err == nil || errors.Is(err, registry.ErrLeaseNotFound) {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %s", took)
	}
}
