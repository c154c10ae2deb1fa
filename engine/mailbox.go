package engine

import (
	"context"
	"sync"
	"time"

	"fleet/cluster"
)

// MailboxLimit is how many updates may wait for the engine to take them in.
const MailboxLimit = 10_000

// mailbox takes updates at the pace of the store and hands them out at the
// pace of the engine, so that a slow write does not hold up the watch. When it is full it does: what comes then waits
// in the store, which keeps it for some minutes, and tells everything anew to whoever is later than that.
type mailbox struct {
	bell chan struct{}
	told func(updates int) // how many wait
	mu   struct {
		sync.Mutex
		updates []cluster.Update
		space   *cluster.Space
		taken   chan struct{} // closed when updates were taken
	}
}

func newMailbox(told func(int)) *mailbox {
	m := &mailbox{bell: make(chan struct{}, 1), told: told}
	m.mu.taken = make(chan struct{})
	return m
}

// put blocks while there are too many. A whole snapshot makes what came before it superfluous.
func (m *mailbox) put(ctx context.Context, u cluster.Update) error {
	for {
		full := m.tryPut(u)
		if full == nil {
			m.ring()
			return nil
		}
		select {
		case <-full:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tryPut returns what is closed when there may be room, or nil if u was put.
func (m *mailbox) tryPut(u cluster.Update) (full chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u.Reset {
		m.mu.updates = nil
	}
	if len(m.mu.updates) >= MailboxLimit {
		return m.mu.taken
	}
	m.mu.updates = append(m.mu.updates, u)
	m.told(len(m.mu.updates))
	return nil
}

// space notes how full the store is, and wakes the engine if it has to know now.
func (m *mailbox) space(is cluster.Space, urgent bool) {
	m.mu.Lock()
	m.mu.space = &is
	m.mu.Unlock()
	if urgent {
		m.ring()
	}
}

// take returns all updates, and how full the store is if that was noted since.
func (m *mailbox) take() ([]cluster.Update, *cluster.Space) {
	m.mu.Lock()
	defer m.mu.Unlock()
	updates, space := m.mu.updates, m.mu.space
	m.mu.updates, m.mu.space = nil, nil
	if len(updates) > 0 {
		close(m.mu.taken)
		m.mu.taken = make(chan struct{})
		m.told(0)
	}
	return updates, space
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
