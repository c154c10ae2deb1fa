package storetest

import (
	"errors"
	"fmt"
	"testing"

	"fleet/registry"
)

func names(page registry.Page) []string {
	var keys []string
	for _, p := range page.Pairs {
		keys = append(keys, p.Key)
	}
	return keys
}

func rangePrefix(t *testing.T, b Backend) {
	for _, suffix := range []string{"/b", "/a", "/ab", "", "0", ".", "/\xff"} {
		b.do(t, registry.Put(b.Prefix+suffix, nil, 0))
	}
	b.do(t, registry.Put(b.Prefix+"/gone", nil, 0))
	last := b.do(t, registry.Delete(b.Prefix+"/gone")).Revision
	page, err := b.Store.Range(t.Context(), registry.Query{Keys: b.keys()})
	ok(t, err)
	equal(t, names(page), []string{b.Prefix + "/a", b.Prefix + "/ab", b.Prefix + "/b", b.Prefix + "/\xff"})
	equal(t, page.More, false)
	equal(t, page.Revision, last)
}

func rangePages(t *testing.T, b Backend) {
	var want []string
	for i := range 7 {
		key := fmt.Sprintf("%s/%d", b.Prefix, i)
		want = append(want, key)
		b.do(t, registry.Put(key, nil, 0))
	}
	var got []string
	q := registry.Query{Keys: b.keys(), Limit: 3}
	for {
		page, err := b.Store.Range(t.Context(), q)
		ok(t, err)
		if q.Revision == 0 {
			q.Revision = page.Revision
		}
		got = append(got, names(page)...)
		q.After = got[len(got)-1]
		if !page.More {
			break
		}
		// What happens between the pages is not in them.
		b.do(t, registry.Delete(want[6]), registry.Put(q.After+"a", nil, 0))
	}
	equal(t, got, want)
}

func rangeCount(t *testing.T, b Backend) {
	q := registry.Query{Keys: b.keys(), CountOnly: true}
	page, err := b.Store.Range(t.Context(), q)
	ok(t, err)
	equal(t, page.Count, 0)
	for i := range 3 {
		b.do(t, registry.Put(fmt.Sprintf("%s/%d", b.Prefix, i), []byte("x"), 0))
	}
	last := b.do(t, registry.Delete(b.Prefix+"/1"), registry.Put(b.Prefix, nil, 0)).Revision
	page, err = b.Store.Range(t.Context(), q)
	ok(t, err)
	equal(t, page, registry.Page{Revision: last, Count: 2})
}

func rangeHistory(t *testing.T, b Backend) {
	x, y := b.Prefix+"/x", b.Prefix+"/y"
	first := b.do(t, registry.Put(x, []byte("1"), 0)).Revision
	second := b.do(t, registry.Put(x, []byte("2"), 0)).Revision
	b.do(t, registry.Delete(x), registry.Put(y, nil, 0))
	at := func(revision int64) (registry.Page, error) {
		return b.Store.Range(t.Context(), registry.Query{Keys: b.keys(), Revision: revision})
	}
	page, err := at(first)
	ok(t, err)
	equal(t, page.Pairs, []registry.Pair{{Key: x, Value: []byte("1"), Created: first, Mod: first}})

	b.Compact(t, second)
	page, err = at(second)
	ok(t, err)
	equal(t, page.Pairs, []registry.Pair{{Key: x, Value: []byte("2"), Created: first, Mod: second}})

	var compacted *registry.CompactedError
	if _, err = at(first); !errors.As(err, &compacted) {
		t.Errorf("range of a compacted revision: %v", err)
	}
	if _, err = at(page.Revision + 100); err == nil || errors.As(err, &compacted) {
		t.Errorf("range of a future revision: %v", err)
	}
}
