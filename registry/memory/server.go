package memory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"fleet/registry"
)

// Server is the store. Make Clients to use it.
type Server struct {
	mu        sync.Mutex
	revision  int64
	compacted int64
	keys      map[string][]version // every version since the compaction, oldest first
	history   []registry.Batch     // one for each revision after history's first
	leases    map[int64]*lease
	lastLease int64
	watchers  map[*watcher]struct{}
	closed    bool
	halted    chan struct{} // closed by Resume; nil if the store answers
}

// version is a key as one revision left it.
type version struct {
	registry.Pair
	deleted bool
}

var errClosed = errors.New("the store is closed")

// New returns an empty store. Its revision is 1, as that of an empty etcd.
func New() *Server {
	return &Server{
		revision: 1,
		keys:     make(map[string][]version),
		leases:   make(map[int64]*lease),
		watchers: make(map[*watcher]struct{}),
	}
}

// Client returns a new connection to the store.
func (s *Server) Client() *Client {
	return &Client{server: s}
}

// Console returns a connection that also reaches a store that is halted, as its operator's does.
func (s *Server) Console() *Client {
	return &Client{server: s, console: true}
}

// Revision is the store's present revision.
func (s *Server) Revision() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.revision
}

// Compact forgets all that was before a revision.
func (s *Server) Compact(revision int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if revision <= s.compacted || revision > s.revision {
		return fmt.Errorf("compact to %d: not between %d and %d", revision, s.compacted+1, s.revision)
	}
	s.compact(revision)
	return nil
}

func (s *Server) compact(revision int64) {
	s.compacted = revision
	s.history = slices.DeleteFunc(s.history, func(b registry.Batch) bool { return b.Revision < revision })
	for key, versions := range s.keys {
		if s.keys[key] = since(versions, revision); len(s.keys[key]) == 0 {
			delete(s.keys, key)
		}
	}
	for w := range s.watchers {
		w.ring()
	}
}

// since drops the versions that no reader at revision or later can see.
func since(versions []version, revision int64) []version {
	first := 0
	for i, v := range versions {
		if v.Mod <= revision {
			first = i
		}
	}
	if versions[first].deleted && versions[first].Mod <= revision {
		first++
	}
	return versions[first:]
}

// Close ends every watch and makes every later call fail.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.resume()
	for _, l := range s.leases {
		l.timer.Stop()
	}
	for w := range s.watchers {
		w.ring()
	}
}

// at returns a key as it was at a revision.
func (s *Server) at(key string, revision int64) (registry.Pair, bool) {
	versions := s.keys[key]
	for i := len(versions) - 1; i >= 0; i-- {
		if v := versions[i]; v.Mod <= revision {
			return v.Pair, !v.deleted
		}
	}
	return registry.Pair{}, false
}

func (s *Server) rangeKeys(q registry.Query) (registry.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return registry.Page{}, errClosed
	}
	revision := q.Revision
	switch {
	case revision == 0:
		revision = s.revision
	case revision < s.compacted:
		return registry.Page{}, &registry.CompactedError{Revision: s.compacted}
	case revision > s.revision:
		return registry.Page{}, fmt.Errorf("revision %d is in the future, the store is at %d", revision, s.revision)
	}
	page := registry.Page{Revision: s.revision}
	for key := range s.keys {
		if !matches(q.Keys, key) || key <= q.After {
			continue
		}
		if pair, ok := s.at(key, revision); ok {
			page.Pairs = append(page.Pairs, clone(pair))
		}
	}
	if q.CountOnly {
		return registry.Page{Revision: s.revision, Count: len(page.Pairs)}, nil
	}
	slices.SortFunc(page.Pairs, func(a, b registry.Pair) int { return strings.Compare(a.Key, b.Key) })
	if q.Limit > 0 && len(page.Pairs) > q.Limit {
		page.Pairs, page.More = page.Pairs[:q.Limit], true
	}
	return page, nil
}

func matches(keys registry.Keys, key string) bool {
	if keys.Prefix {
		return strings.HasPrefix(key, keys.Name)
	}
	return keys.Name == key
}

func clone(p registry.Pair) registry.Pair {
	p.Value = slices.Clone(p.Value)
	return p
}

// change is what one revision is about to do.
type change struct {
	server *Server
	batch  registry.Batch
}

func (s *Server) begin() *change {
	return &change{server: s, batch: registry.Batch{Revision: s.revision + 1}}
}

func (c *change) put(key string, value []byte, leaseID int64) {
	s, revision := c.server, c.batch.Revision
	pair := registry.Pair{Key: key, Value: slices.Clone(value), Created: revision, Mod: revision, Lease: leaseID}
	if old, ok := s.at(key, revision); ok {
		pair.Created = old.Created
		s.unbind(old)
	}
	if l := s.leases[leaseID]; l != nil {
		l.keys[key] = struct{}{}
	}
	s.keys[key] = append(s.keys[key], version{Pair: pair})
	c.batch.Events = append(c.batch.Events, registry.Event{Pair: pair})
}

func (c *change) remove(key string) {
	s := c.server
	old, ok := s.at(key, c.batch.Revision)
	if !ok {
		return
	}
	s.unbind(old)
	gone := registry.Pair{Key: key, Mod: c.batch.Revision}
	s.keys[key] = append(s.keys[key], version{Pair: gone, deleted: true})
	c.batch.Events = append(c.batch.Events, registry.Event{Deleted: true, Pair: gone})
}

func (s *Server) unbind(p registry.Pair) {
	if l := s.leases[p.Lease]; l != nil {
		delete(l.keys, p.Key)
	}
}

// commit makes the revision visible; one that changed nothing does not come to be.
func (c *change) commit() {
	if len(c.batch.Events) == 0 {
		return
	}
	s := c.server
	s.revision = c.batch.Revision
	s.history = append(s.history, c.batch)
	for w := range s.watchers {
		if w.concerns(c.batch) {
			w.ring()
		}
	}
}
