package memory

import (
	"maps"
	"slices"
	"time"

	"fleet/registry"
)

// Halt has the store answer nobody until Resume, as one without a quorum. No lease ends meanwhile.
func (s *Server) Halt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halted == nil && !s.closed {
		s.halted = make(chan struct{})
	}
}

// Resume is the end of Halt. Somebody was elected, so that all leases are as if just renewed.
func (s *Server) Resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resume()
}

func (s *Server) resume() {
	if s.halted == nil {
		return
	}
	close(s.halted)
	s.halted = nil
	s.prolong()
}

// Elect has another member lead: all leases are as if just renewed.
func (s *Server) Elect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.prolong()
}

func (s *Server) prolong() {
	for _, l := range s.leases {
		l.renew()
	}
}

func (s *Server) outage() (bool, chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halted != nil, s.halted
}

// Backup is the store as it was at one moment.
type Backup struct {
	revision, compacted int64
	keys                map[string][]version
	history             []registry.Batch
	leases              map[int64]time.Duration
}

// Backup copies all that is in the store.
func (s *Server) Backup() *Backup {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &Backup{
		revision: s.revision, compacted: s.compacted,
		keys:    make(map[string][]version, len(s.keys)),
		history: slices.Clone(s.history),
		leases:  make(map[int64]time.Duration, len(s.leases)),
	}
	for key, versions := range s.keys {
		b.keys[key] = slices.Clone(versions)
	}
	for id, l := range s.leases {
		b.leases[id] = l.ttl
	}
	return b
}

// Restore makes the store what it was: all that was written since is gone, revisions are given a second
// time, and the leases that there were live anew. Watches go on as those of etcd do: they
// tell of revisions that they have not told of. It may be done while the store is halted.
func (s *Server) Restore(b *Backup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.leases {
		l.timer.Stop()
	}
	clear(s.leases)
	s.revision, s.compacted = b.revision, b.compacted
	s.history = slices.Clone(b.history)
	s.keys = make(map[string][]version, len(b.keys))
	for key, versions := range b.keys {
		s.keys[key] = slices.Clone(versions)
	}
	for id, ttl := range b.leases {
		s.leases[id] = s.newLease(id, ttl)
	}
	for key := range maps.Keys(s.keys) {
		if pair, ok := s.at(key, s.revision); ok && s.leases[pair.Lease] != nil {
			s.leases[pair.Lease].keys[key] = struct{}{}
		}
	}
	for w := range s.watchers {
		w.ring()
	}
}

// Raise gives up a million revisions and all leases, with what is bound to them, as a restore does that is
// meant for a cluster that goes on. What was is compacted. It follows Restore.
func (s *Server) Raise() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revision += 1_000_000
	for _, id := range slices.Sorted(maps.Keys(s.leases)) {
		s.end(id)
	}
	s.compact(s.revision)
}
