package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
)

// chunk is how many keys are looked at while the cache is locked.
const chunk = 256

// collection is something that can be listed: items T in the order of keys K. A key may have
// several items, in an order of their own.
type collection[K ~string, T any] struct {
	name string // of the path, and of the items in a page
	page string
	// keys are those that may have items which q selects.
	keys func(v view, q *listQuery) []K
	// items are those of a key which q selects; d is how much of each is needed.
	items func(v view, key K, q *listQuery, d detail) []T
	// minor tells the items of one key apart.
	minor func(T) string
}

// answer sends the page of a collection that is asked for.
func answerList[K ~string, T any](s *Server, c collection[K, T], w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r)
	if err != nil {
		return err
	}
	q, err := s.query(c.name, query, fieldsOf[T]())
	if err != nil {
		return err
	}
	p := s.cache().hold(q.token)
	l := &listing[K, T]{collection: c, listQuery: q, cache: s.cache(), past: p}
	answered, next := false, ""
	defer func() { s.cache().release(p, q.token, answered, next != "") }()

	tag := s.listTag(p, query.Encode(), c.name)
	w.Header().Set(revisionHeader, strconv.FormatInt(p.revision, 10))
	if notModified(w, r, tag) {
		answered, next = true, q.text // the client may have a token, and use it
		return nil
	}
	items, err := l.read(r.Context())
	if err != nil {
		return err
	}
	answered, next = true, l.next
	for i := range items {
		q.fields.drop(reflect.ValueOf(&items[i]).Elem())
	}
	return writePage(w, c.page, items, next)
}

// listing is one page of a collection in the making.
type listing[K ~string, T any] struct {
	collection[K, T]
	*listQuery
	cache *cache
	past  *past
	next  string // the token of the page behind this one, empty if there is none
}

func (l *listing[K, T]) read(ctx context.Context) ([]T, error) {
	var keys []K
	l.cache.readAt(l.past, func(v view) { keys = l.keys(v, l.listQuery) })
	if l.order.sorted {
		return l.readSorted(ctx, keys)
	}
	return l.readInOrder(ctx, keys)
}

// readInOrder looks at one key after the other until the page is full.
func (l *listing[K, T]) readInOrder(ctx context.Context, keys []K) ([]T, error) {
	var items []T
	var last row
	skip := 0
	if l.token.ours {
		from, _ := slices.BinarySearch(keys, K(l.token.after.key))
		keys = keys[from:]
	} else {
		skip = (l.token.page - 1) * l.limit
	}
	err := l.walk(ctx, keys, func(v view, key K) bool {
		for _, item := range l.items(v, key, l.listQuery, detail{options: true}) {
			place := row{key: string(key), minor: l.minor(item)}
			switch {
			case l.token.ours && l.order.compare(place, l.token.after) <= 0:
				continue
			case skip > 0:
				skip--
				continue
			case len(items) == l.limit:
				l.next = l.tokenAfter(last)
				return false
			}
			items, last = append(items, item), place
		}
		return true
	})
	return items, err
}

// readSorted puts the whole list in order when its first page is read.
func (l *listing[K, T]) readSorted(ctx context.Context, keys []K) ([]T, error) {
	rows, known := l.cache.rows(l.past, l.text)
	if !known {
		var err error
		if rows, err = l.sort(ctx, keys); err != nil {
			return nil, err
		}
	}
	var from int
	if l.token.ours {
		after := l.token.after
		from, _ = slices.BinarySearchFunc(rows, after, func(a, b row) int {
			if l.order.compare(a, b) <= 0 {
				return -1
			}
			return 1
		})
	} else {
		from = min((l.token.page-1)*l.limit, len(rows))
	}
	to := min(from+l.limit, len(rows))
	if to < len(rows) {
		l.next = l.tokenAfter(rows[to-1])
		l.cache.keepRows(l.past, l.text, rows)
	}
	var items []T
	l.cache.readAt(l.past, func(v view) {
		for _, place := range rows[from:to] {
			for _, item := range l.items(v, K(place.key), l.listQuery, detail{options: true}) {
				if l.minor(item) == place.minor {
					items = append(items, item)
				}
			}
		}
	})
	return items, nil
}

func (l *listing[K, T]) sort(ctx context.Context, keys []K) ([]row, error) {
	var rows []row
	err := l.walk(ctx, keys, func(v view, key K) bool {
		for _, item := range l.items(v, key, l.listQuery, detail{bare: true}) {
			value := l.order.field.value(reflect.ValueOf(&item).Elem())
			rows = append(rows, row{value, string(key), l.minor(item)})
		}
		return true
	})
	slices.SortFunc(rows, l.order.compare)
	return rows, err
}

// walk calls fn for every key until it returns false. Now and then it lets go of the cache, for which
// there is the past: the cluster changes meanwhile, and what fn sees does not.
func (l *listing[K, T]) walk(ctx context.Context, keys []K, fn func(view, K) bool) error {
	for part := range slices.Chunk(keys, chunk) {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("list %s: %w", l.name, err)
		}
		more := true
		l.cache.readAt(l.past, func(v view) {
			for _, key := range part {
				if more = fn(v, key); !more {
					return
				}
			}
		})
		if !more {
			return nil
		}
	}
	return nil
}

func (l *listing[K, T]) tokenAfter(last row) string {
	return pageToken{limit: l.limit, revision: l.past.revision, after: last}.text(l.text)
}

// writePage writes what writeJSON would of a page, item by item: a page may hold a hundred
// files of a mebibyte, which the cache has once and the answer must not copy.
func writePage[T any](w http.ResponseWriter, name string, items []T, next string) error {
	w.Header().Set("Content-Type", jsonType)
	if len(items) == 0 {
		_, _ = io.WriteString(w, "{}")
		return nil
	}
	before := `{"` + name + `":[`
	for _, item := range items {
		body, err := json.Marshal(item)
		if err != nil {
			return fmt.Errorf("encode a page of %s: %w", name, err)
		}
		_, _ = io.WriteString(w, before)
		if _, err := w.Write(body); err != nil {
			return nil // the client has gone
		}
		before = ","
	}
	end := "]}"
	if next != "" {
		end = fmt.Sprintf(`],"nextPageToken":%q}`, next) // base64: nothing to escape
	}
	_, _ = io.WriteString(w, end)
	return nil
}
