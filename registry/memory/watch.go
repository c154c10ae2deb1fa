package memory

import (
	"slices"

	"fleet/registry"
)

// watcher is one watch in progress. Its bell rings when there may be something to fetch.
type watcher struct {
	keys registry.Keys
	bell chan struct{}
}

func (w *watcher) ring() {
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

func (w *watcher) concerns(b registry.Batch) bool {
	return slices.ContainsFunc(b.Events, func(e registry.Event) bool { return matches(w.keys, e.Key) })
}

func (s *Server) watch(keys registry.Keys) *watcher {
	w := &watcher{keys: keys, bell: make(chan struct{}, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers[w] = struct{}{}
	return w
}

func (s *Server) unwatch(w *watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.watchers, w)
}

// fetch returns what happened to the watched keys since revision from, and
// the revision to go on from.
func (s *Server) fetch(w *watcher, from int64) ([]registry.Batch, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, from, errClosed
	}
	if from < s.compacted {
		return nil, from, &registry.CompactedError{Revision: s.compacted}
	}
	var batches []registry.Batch
	for i := len(s.history) - 1; i >= 0 && s.history[i].Revision >= from; i-- {
		if b := only(w.keys, s.history[i]); len(b.Events) > 0 {
			batches = append(batches, b)
		}
	}
	slices.Reverse(batches)
	return batches, max(from, s.revision+1), nil
}

// only is the part of a batch that concerns some keys.
func only(keys registry.Keys, b registry.Batch) registry.Batch {
	out := registry.Batch{Revision: b.Revision}
	for _, e := range b.Events {
		if matches(keys, e.Key) {
			e.Pair = clone(e.Pair)
			out.Events = append(out.Events, e)
		}
	}
	return out
}
