package memory

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/registry"
)

type lease struct {
	ttl   time.Duration
	ends  time.Time
	timer *time.Timer
	keys  map[string]struct{}
}

func (s *Server) grant(ttl time.Duration) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errClosed
	}
	if ttl < time.Second {
		return 0, fmt.Errorf("lease of %s: the shortest is a second", ttl)
	}
	s.lastLease++
	id := s.lastLease
	ttl = ttl.Truncate(time.Second)
	s.leases[id] = s.newLease(id, ttl)
	return id, nil
}

func (s *Server) newLease(id int64, ttl time.Duration) *lease {
	return &lease{
		ttl:   ttl,
		ends:  time.Now().Add(ttl),
		timer: time.AfterFunc(ttl, func() { s.expire(id) }),
		keys:  make(map[string]struct{}),
	}
}

func (l *lease) renew() {
	l.ends = time.Now().Add(l.ttl)
	l.timer.Reset(l.ttl)
}

// keepAlive returns the revision at which it took place.
func (s *Server) keepAlive(id int64) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.lease(id)
	if err != nil {
		return 0, err
	}
	l.renew()
	return s.revision, nil
}

// timeToLive returns what is left of a lease, and what it was granted for.
func (s *Server) timeToLive(id int64) ([2]time.Duration, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := s.lease(id)
	if err != nil {
		return [2]time.Duration{}, err
	}
	return [2]time.Duration{time.Until(l.ends), l.ttl}, nil
}

func (s *Server) revoke(id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.lease(id); err != nil {
		return err
	}
	s.end(id)
	return nil
}

// expire runs on the lease's timer, which may have fired just before a renewal moved it.
func (s *Server) expire(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.leases[id]
	if s.closed || s.halted != nil || l == nil || time.Now().Before(l.ends) {
		return
	}
	s.end(id)
}

// lease finds a lease that has not ended.
func (s *Server) lease(id int64) (*lease, error) {
	if s.closed {
		return nil, errClosed
	}
	l := s.leases[id]
	if l == nil {
		return nil, fmt.Errorf("lease %x: %w", id, registry.ErrLeaseNotFound)
	}
	return l, nil
}

func (s *Server) end(id int64) {
	l := s.leases[id]
	l.timer.Stop()
	c := s.begin()
	for _, key := range slices.Sorted(maps.Keys(l.keys)) {
		c.remove(key)
	}
	delete(s.leases, id)
	c.commit()
}
