package engine

import (
	"context"
	"sync"
	"time"

	"fleet/cluster"
)

// mailbox takes updates at the pace of the store and hands them out at the
// pace of the engine, so that a slow write never holds up the watch.
type mailbox struct {
	bell chan struct{}
	told func(updates int) // how many wait
	mu   struct {
		sync.Mutex
		updates []cluster.Update
	}
}

func newMailbox(told func(updates int)) *mailbox {
	return &mailbox{bell: make(chan struct{}, 1), told: told}
}

// put never blocks. A whole snapshot makes what came before it superfluous.
func (m *mailbox) put(u cluster.Update) error {
	m.mu.Lock()
	if u.Reset {
		m.mu.updates = nil
	}
	m.mu.updates = append(m.mu.updates, u)
	m.told(len(m.mu.updates))
	m.mu.Unlock()
	m.ring()
	return nil
}

func (m *mailbox) take() []cluster.Update {
	m.mu.Lock()
	defer m.mu.Unlock()
	updates := m.mu.updates
	m.mu.updates = nil
	m.told(0)
	return updates
}

// ring wakes the next wait.
func (m *mailbox) ring() {
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

// wait blocks until the bell has been rung, or that long if d is not 0.
func (m *mailbox) wait(ctx context.Context, d time.Duration) error {
	var late <-chan time.Time
	if d != 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-m.bell:
	case <-late:
	}
	return nil
}
