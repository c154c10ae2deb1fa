package hollow

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"fleet/registry"
	"fleet/registry/etcd"
)

// Written is what was written to the store.
type Written struct {
	Revisions int
	Records   int            // put or removed
	Bytes     int64          // keys and values of these
	Of        map[string]int // records by family
}

// Since is what was written between two moments.
func (w Written) Since(before Written) Written {
	of := maps.Clone(w.Of)
	for family, n := range before.Of {
		if of[family] -= n; of[family] == 0 {
			delete(of, family)
		}
	}
	return Written{w.Revisions - before.Revisions, w.Records - before.Records, w.Bytes - before.Bytes, of}
}

// Meter follows all that fleet writes.
type Meter struct {
	mu      sync.Mutex
	written Written
	last    time.Time
}

// Measure begins to follow what is written through a line of its own, until ctx ends.
func Measure(ctx context.Context, store registry.Store) (*Meter, error) {
	page, err := store.Range(ctx, registry.Query{Keys: registry.Keys{Name: registry.DefaultPrefix}})
	if err != nil {
		return nil, fmt.Errorf("follow what is written: %w", err)
	}
	m := &Meter{last: time.Now(), written: Written{Of: make(map[string]int)}}
	go func() {
		all := registry.Keys{Name: registry.DefaultPrefix, Prefix: true}
		_ = store.Watch(ctx, all, page.Revision+1, m.take) // it ends with ctx
	}()
	return m, nil
}

func (m *Meter) take(b registry.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = time.Now()
	m.written.Revisions++
	for _, e := range b.Events {
		family, _, _ := strings.Cut(strings.TrimPrefix(e.Key, registry.DefaultPrefix), "/")
		m.written.Records++
		m.written.Of[family]++
		m.written.Bytes += int64(len(e.Key) + len(e.Value))
	}
	return nil
}

// Quiet returns what was written so far when nothing has been for a while.
func (m *Meter) Quiet(ctx context.Context, while time.Duration) (Written, error) {
	begun := time.Now()
	for {
		m.mu.Lock()
		w, last := m.written, m.last
		w.Of = maps.Clone(w.Of)
		m.mu.Unlock()
		if last.Before(begun) {
			last = begun
		}
		pause := time.Until(last.Add(while))
		if pause <= 0 {
			return w, nil
		}
		select {
		case <-ctx.Done():
			return w, fmt.Errorf("wait for quiet: %w", context.Cause(ctx))
		case <-time.After(pause):
		}
	}
}

// Compact has an etcd give up all that was before its present revision.
func (e *Etcd) Compact(ctx context.Context) error {
	client, err := etcd.Dial(ctx, etcd.Config{Endpoints: []string{"http://" + e.address}})
	if err != nil {
		return fmt.Errorf("compact etcd: %w", err)
	}
	defer client.Close()
	now, err := client.Range(ctx, registry.Query{Keys: registry.Keys{Name: registry.DefaultPrefix}})
	if err != nil {
		return fmt.Errorf("compact etcd: %w", err)
	}
	return client.Compact(ctx, now.Revision)
}
