package systemd

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"fleet/unit"
)

// Backoff between attempts to connect: dbus needs tens of milliseconds to
// restart, and a host without a bus must not be hammered.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// Manager drives one systemd. All methods may be called concurrently.
type Manager struct {
	user    bool
	runtime string // /run or $XDG_RUNTIME_DIR
	disk    disk
	fence   string // directory of permits
	log     *slog.Logger
	events  Events
	bell    *bell
	leaving atomic.Bool // the host is being shut down

	// batch is a lock with a context: its holder is the only one to change
	// files, and owns the fields below.
	batch   chan struct{}
	stale   bool                         // files changed since systemd read them
	enabled map[unit.Name]unit.ContentID // whose [Install] was carried out by this process

	mu struct {
		sync.Mutex
		session *session
		lastErr error         // why there is no session
		changed chan struct{} // closed and replaced when session or lastErr changes
	}
}

// Run keeps the connection to systemd until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	backoff := firstBackoff
	for {
		began := time.Now()
		err := m.serve(ctx)
		m.publish(nil, err)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > lastBackoff {
			backoff = firstBackoff
		}
		m.log.Warn("no connection to systemd", "err", err, "retry", backoff)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// serve connects, and returns when the connection has ended.
func (m *Manager) serve(ctx context.Context) error {
	s, err := m.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := m.adopt(ctx, s); err != nil {
		return fmt.Errorf("take stock of units: %w", err)
	}
	m.publish(s, nil)
	m.bell.ringAll()
	m.log.Info("connected to systemd", "version", s.version)
	<-s.conn.Context().Done()
	return s.why()
}

func (m *Manager) publish(s *session, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.session, m.mu.lastErr = s, err
	close(m.mu.changed)
	m.mu.changed = make(chan struct{})
}

// connected waits for a session until ctx ends.
func (m *Manager) connected(ctx context.Context) (*session, error) {
	for {
		m.mu.Lock()
		s, lastErr, changed := m.mu.session, m.mu.lastErr, m.mu.changed
		m.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if lastErr == nil {
				return nil, fmt.Errorf("%w yet: %w", ErrConnection, ctx.Err())
			}
			return nil, fmt.Errorf("%w (%w): %w", ErrConnection, lastErr, ctx.Err())
		}
	}
}

// lock takes the right to change files.
func (m *Manager) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case m.batch <- struct{}{}:
		return func() { <-m.batch }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// lockConnected takes the right to change files, and the session to tell
// systemd by. It does not wait for a session with the lock held, because
// connecting needs the lock.
func (m *Manager) lockConnected(ctx context.Context) (s *session, unlock func(), err error) {
	for {
		s, err := m.connected(ctx)
		if err != nil {
			return nil, nil, err
		}
		unlock, err := m.lock(ctx)
		if err != nil {
			return nil, nil, err
		}
		if s.conn.Connected() {
			return s, unlock, nil
		}
		unlock()
	}
}

// Wait blocks until systemd has said something about units since the last
// call, and returns their names. With all, any unit may have changed: after a
// new connection, or a reload of systemd. It serves one caller.
func (m *Manager) Wait(ctx context.Context) (names []unit.Name, all bool, err error) {
	return m.bell.wait(ctx)
}
