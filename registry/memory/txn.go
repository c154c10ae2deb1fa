package memory

import (
	"fmt"
	"strings"

	"fleet/registry"
)

func (s *Server) txn(t registry.Txn) (registry.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return registry.Outcome{}, errClosed
	}
	// etcd checks both branches before it looks at the comparisons.
	for _, ops := range [][]registry.Op{t.Then, t.Else} {
		if err := checkOps(ops); err != nil {
			return registry.Outcome{}, err
		}
	}
	out := registry.Outcome{Succeeded: s.holds(t.If)}
	ops := t.Then
	if !out.Succeeded {
		ops = t.Else
	}
	for _, op := range ops {
		if _, ok := s.leases[op.Lease]; op.Kind == registry.OpPut && op.Lease != 0 && !ok {
			return registry.Outcome{}, fmt.Errorf("put %s: lease %x: %w", op.Key, op.Lease, registry.ErrLeaseNotFound)
		}
	}
	c := s.begin()
	for _, op := range ops {
		switch op.Kind {
		case registry.OpGet:
			out.Got = append(out.Got, s.get(op.Key, c.batch.Revision))
		case registry.OpPut:
			c.put(op.Key, op.Value, op.Lease)
		case registry.OpDelete:
			c.remove(op.Key)
		}
	}
	c.commit()
	out.Revision = s.revision
	return out, nil
}

// checkOps refuses what etcd refuses: two changes of one key have no order within a revision.
func checkOps(ops []registry.Op) error {
	changed := make(map[string]bool)
	for _, op := range ops {
		if op.Kind == registry.OpGet {
			continue
		}
		if changed[op.Key] {
			return fmt.Errorf("transaction changes %s twice", op.Key)
		}
		changed[op.Key] = true
	}
	return nil
}

func (s *Server) holds(compares []registry.Compare) bool {
	for _, c := range compares {
		if c.First {
			if !s.first(c.Key, c.Revision) {
				return false
			}
			continue
		}
		pair, ok := s.at(c.Key, s.revision)
		if !ok {
			pair = registry.Pair{}
		}
		revision := pair.Mod
		if c.Created {
			revision = pair.Created
		}
		if revision != c.Revision {
			return false
		}
	}
	return true
}

func (s *Server) first(prefix string, revision int64) bool {
	some := false
	for key := range s.keys {
		pair, ok := s.at(key, s.revision)
		if !ok || !strings.HasPrefix(key, prefix) {
			continue
		}
		if pair.Created < revision {
			return false
		}
		some = true
	}
	return some
}

func (s *Server) get(key string, revision int64) *registry.Pair {
	pair, ok := s.at(key, revision)
	if !ok {
		return nil
	}
	pair = clone(pair)
	return &pair
}
