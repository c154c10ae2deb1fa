package registry

import (
	"cmp"
	"context"
	"strings"
)

// How much is read at a time of what is too long for one answer. Both ends have all of a page in memory. And for each, etcd
// counts the keys from its first one to the end of what is asked for: to read n keys in pages of p takes it n²/2p steps,
// a minute for half a million in pages of a thousand.
const (
	firstPage = 200     // keys, while it is not known how long their values are
	pageBytes = 4 << 20 // about as many of keys and values has every other page
	maxPage   = 50_000  // keys
	maxGrowth = 4       // times as many keys as the page before: the records of some machines need not be as long as those of others
)

// walk hands fn all that a query asks for, page by page and at one revision, which it returns.
func walk(ctx context.Context, store Store, q Query, fn func(Pair)) (revision int64, err error) {
	for q.Limit = firstPage; ; {
		page, err := store.Range(ctx, q)
		if err != nil {
			return 0, err
		}
		q.Revision = cmp.Or(q.Revision, page.Revision)
		size := 0
		for _, p := range page.Pairs {
			size += len(p.Key) + len(p.Value)
			q.After = p.Key
			fn(p)
		}
		if !page.More {
			return q.Revision, nil
		}
		average := max(size/len(page.Pairs), 1)
		q.Limit = max(min(pageBytes/average, maxGrowth*len(page.Pairs), maxPage), 1)
	}
}

// walkAll hands fn all that the registry knows. What one page has room for is asked for once; of
// more, each kind on its own: the records of one are about as long as another, and those of two are not.
func walkAll(ctx context.Context, store Store, keys keyspace, fn func(Pair)) (revision int64, err error) {
	page, err := store.Range(ctx, Query{Keys: keys.all(), Limit: firstPage})
	if err != nil {
		return 0, err
	}
	last := ""
	for _, p := range page.Pairs {
		last = p.Key
		fn(p)
	}
	if !page.More {
		return page.Revision, nil
	}
	for _, kind := range Kinds() {
		q := Query{Keys: keys.kind(kind), Revision: page.Revision}
		switch {
		case strings.HasPrefix(last, q.Name):
			q.After = last
		case q.Name < last:
			continue
		}
		if _, err := walk(ctx, store, q, fn); err != nil {
			return 0, err
		}
	}
	return page.Revision, nil
}
