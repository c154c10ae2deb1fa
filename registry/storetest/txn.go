package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"fleet/registry"
)

func oneRevision(t *testing.T, b Backend) {
	x, y := b.Prefix+"/x", b.Prefix+"/y"
	first := b.do(t, registry.Put(x, []byte("1"), 0))
	second := b.do(t, registry.Put(x, []byte("2"), 0), registry.Put(y, []byte("3"), 0))
	equal(t, second.Revision, first.Revision+1)

	px, _ := b.get(t, x)
	py, revision := b.get(t, y)
	equal(t, *px, registry.Pair{Key: x, Value: []byte("2"), Created: first.Revision, Mod: second.Revision})
	equal(t, *py, registry.Pair{Key: y, Value: []byte("3"), Created: second.Revision, Mod: second.Revision})
	equal(t, revision, second.Revision)

	b.do(t, registry.Delete(x))
	again := b.do(t, registry.Put(x, nil, 0))
	px, _ = b.get(t, x)
	equal(t, px.Created, again.Revision)
}

func noRevision(t *testing.T, b Backend) {
	before := b.do(t, registry.Put(b.Prefix+"/x", []byte("1"), 0)).Revision
	equal(t, b.do(t, registry.Get(b.Prefix+"/x")).Revision, before)
	equal(t, b.do(t, registry.Delete(b.Prefix+"/absent")).Revision, before)
	equal(t, b.do(t).Revision, before)
}

func comparisons(t *testing.T, b Backend) {
	x, absent := b.Prefix+"/x", b.Prefix+"/absent"
	created := b.do(t, registry.Put(x, []byte("1"), 0)).Revision
	later := b.do(t, registry.Put(b.Prefix+"/y", nil, 0)).Revision
	mod := b.do(t, registry.Put(x, []byte("2"), 0)).Revision
	for _, c := range []struct {
		compare []registry.Compare
		holds   bool
	}{
		{nil, true},
		{[]registry.Compare{{Key: x, Revision: mod}}, true},
		{[]registry.Compare{{Key: x, Revision: created}}, false},
		{[]registry.Compare{{Key: x, Revision: mod + 1}}, false},
		{[]registry.Compare{{Key: x, Created: true, Revision: created}}, true},
		{[]registry.Compare{{Key: x, Created: true, Revision: mod}}, false},
		{[]registry.Compare{registry.Absent(x)}, false},
		{[]registry.Compare{registry.Absent(absent)}, true},
		{[]registry.Compare{{Key: absent}}, true},
		{[]registry.Compare{{Key: x}}, false},
		{[]registry.Compare{{Key: x, Revision: mod}, registry.Absent(x)}, false},
		{[]registry.Compare{{Key: b.Prefix, First: true, Revision: created}}, true},
		{[]registry.Compare{{Key: b.Prefix, First: true, Revision: created - 1}}, true},
		{[]registry.Compare{{Key: b.Prefix, First: true, Revision: created + 1}}, false},
		{[]registry.Compare{{Key: b.Prefix, First: true, Revision: later}}, false},
		{[]registry.Compare{{Key: b.Prefix + "/y", First: true, Revision: later}}, true},
		{[]registry.Compare{{Key: absent, First: true, Revision: 1}}, false},
	} {
		out, err := b.Store.Txn(t.Context(), registry.Txn{
			If:   c.compare,
			Then: []registry.Op{registry.Get(x)},
			Else: []registry.Op{registry.Get(absent), registry.Get(x)},
		})
		ok(t, err)
		equal(t, out.Succeeded, c.holds)
		got := out.Got[len(out.Got)-1]
		if got == nil || string(got.Value) != "2" {
			t.Errorf("%+v: got %+v", c.compare, got)
		}
		if !c.holds && out.Got[0] != nil {
			t.Errorf("%+v: got %+v of an absent key", c.compare, out.Got[0])
		}
	}

	b.do(t, registry.Delete(x))
	out, err := b.Store.Txn(t.Context(), registry.Txn{If: []registry.Compare{registry.Absent(x), {Key: x}}})
	ok(t, err)
	equal(t, out.Succeeded, true)
}

func getSeesOps(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	out := b.do(t, registry.Get(x), registry.Put(x, []byte("1"), 0), registry.Get(x))
	if len(out.Got) != 2 || out.Got[0] != nil || out.Got[1] == nil {
		t.Fatalf("got %+v", out.Got)
	}
	equal(t, out.Got[1].Created, out.Revision)
}

func noDoubleChange(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	_, err := b.Store.Txn(t.Context(), registry.Txn{Then: []registry.Op{
		registry.Put(x, []byte("1"), 0), registry.Delete(x),
	}})
	if err == nil {
		t.Error("a key was put and deleted in one transaction")
	}
	if p, _ := b.get(t, x); p != nil {
		t.Errorf("a refused transaction left %+v", p)
	}
}

func concurrentWriters(t *testing.T, b Backend) {
	const writers, writes = 5, 10
	x := b.Prefix + "/x"
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for done := 0; done < writes; {
				pair, _, err := b.read(t, x)
				if err != nil {
					t.Error(err)
					return
				}
				var mod int64
				value := 0
				if pair != nil {
					mod = pair.Mod
					fmt.Sscan(string(pair.Value), &value)
				}
				out, err := b.Store.Txn(t.Context(), registry.Txn{
					If:   []registry.Compare{{Key: x, Revision: mod}},
					Then: []registry.Op{registry.Put(x, fmt.Append(nil, value+1), 0)},
				})
				if err != nil {
					t.Error(err)
					return
				}
				if out.Succeeded {
					done++
				}
			}
		})
	}
	wg.Wait()
	p, _ := b.get(t, x)
	equal(t, string(p.Value), fmt.Sprint(writers*writes))
}

func deadLease(t *testing.T, b Backend) {
	x := b.Prefix + "/x"
	lease := b.grant(t, minTTL)
	ok(t, b.Store.Revoke(t.Context(), lease))
	_, err := b.Store.Txn(t.Context(), registry.Txn{Then: []registry.Op{registry.Put(x, nil, lease)}})
	if !errors.Is(err, registry.ErrLeaseNotFound) {
		t.Errorf("put with a dead lease: %v", err)
	}
	if p, _ := b.get(t, x); p != nil {
		t.Errorf("put with a dead lease left %+v", p)
	}
	// A comparison that fails goes before: the put is not done.
	out, err := b.Store.Txn(t.Context(), registry.Txn{
		If:   []registry.Compare{{Key: x, Revision: 1}},
		Then: []registry.Op{registry.Put(x, nil, lease)},
	})
	ok(t, err)
	equal(t, out.Succeeded, false)
}
