package storetest

import (
	"errors"
	"testing"
	"time"

	"fleet/registry"
)

// minTTL is the shortest lease that every store grants unchanged.
const minTTL = 2 * time.Second

func revoke(t *testing.T, b Backend) {
	x, y := b.Prefix+"/x", b.Prefix+"/y"
	lease := b.grant(t, time.Minute)
	before := b.do(t, registry.Put(x, nil, lease), registry.Put(y, nil, lease)).Revision
	p, _ := b.get(t, x)
	equal(t, p.Lease, lease)
	ttl, granted, err := b.Store.TimeToLive(t.Context(), lease)
	ok(t, err)
	equal(t, granted, time.Minute)
	if ttl <= 50*time.Second || ttl > time.Minute {
		t.Errorf("a lease of a minute has %s", ttl)
	}

	ok(t, b.Store.Revoke(t.Context(), lease))
	gone := b.watch(t, b.keys(), before+1, 1)[0]
	equal(t, gone.Revision, before+1)
	equal(t, len(gone.Events), 2)
	b.ended(t, lease)
}

func (b Backend) ended(t *testing.T, lease int64) {
	t.Helper()
	_, _, err := b.Store.TimeToLive(t.Context(), lease)
	_, renewed := b.Store.KeepAlive(t.Context(), lease)
	for doing, err := range map[string]error{
		"ask for": err,
		"renew":   renewed,
		"revoke":  b.Store.Revoke(t.Context(), lease),
	} {
		if !errors.Is(err, registry.ErrLeaseNotFound) {
			t.Errorf("%s an ended lease: %v", doing, err)
		}
	}
}

func expire(t *testing.T, b Backend) {
	granted := time.Now()
	lease := b.grant(t, minTTL)
	before := b.do(t, registry.Put(b.Prefix+"/x", nil, lease), registry.Put(b.Prefix+"/y", nil, lease)).Revision
	gone := b.watch(t, b.keys(), before+1, 1)[0]
	equal(t, len(gone.Events), 2)
	if lived := time.Since(granted); lived < minTTL || lived > minTTL+5*time.Second {
		t.Errorf("a lease of %s lived %s", minTTL, lived)
	}
	b.ended(t, lease)
}

func keepAlive(t *testing.T, b Backend) {
	lease := b.grant(t, minTTL)
	before := b.do(t, registry.Put(b.Prefix+"/x", nil, lease)).Revision
	for range 6 {
		time.Sleep(minTTL / 4) // the passing of time is what is tested
		revision, err := b.Store.KeepAlive(t.Context(), lease)
		ok(t, err)
		equal(t, revision, before)
	}
	renewed := time.Now()
	b.watch(t, b.keys(), before+1, 1)
	if lived := time.Since(renewed); lived < minTTL-100*time.Millisecond {
		t.Errorf("a lease of %s lived %s after its renewal", minTTL, lived)
	}
}

func rebind(t *testing.T, b Backend) {
	x, y := b.Prefix+"/x", b.Prefix+"/y"
	first, second := b.grant(t, time.Minute), b.grant(t, time.Minute)
	b.do(t, registry.Put(x, nil, first), registry.Put(y, nil, first))
	b.do(t, registry.Put(x, nil, second))
	b.do(t, registry.Put(y, nil, 0))
	ok(t, b.Store.Revoke(t.Context(), first))
	if p, _ := b.get(t, x); p == nil || p.Lease != second {
		t.Errorf("a key bound to another lease is %+v", p)
	}
	if p, _ := b.get(t, y); p == nil || p.Lease != 0 {
		t.Errorf("a key bound to no lease any more is %+v", p)
	}
	ok(t, b.Store.Revoke(t.Context(), second))
	if p, _ := b.get(t, x); p != nil {
		t.Errorf("a key of an ended lease is %+v", p)
	}
}
