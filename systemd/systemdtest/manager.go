package systemdtest

import (
	"context"
	"fmt"
	"sync"

	"fleet/systemd"
	"fleet/unit"
)

// Manager is a connection to a Host's systemd: the twin of systemd.Manager.
type Manager struct {
	host *Host
	boot int // the boot of the host that it was made in
	wake chan struct{}

	// All that follows is guarded by the host's lock.
	running bool // Run is in progress
	online  bool
	changed chan struct{} // closed and replaced when online changes
	lost    chan struct{} // closed when the present connection ends
	rung    map[unit.Name]struct{}
	all     bool

	resumed chan struct{} // closed when the process that uses it goes on; nil unless it is stopped

	run sync.Mutex
}

func newManager(h *Host, boot int) *Manager {
	return &Manager{
		host:    h,
		boot:    boot,
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		lost:    make(chan struct{}),
		rung:    map[unit.Name]struct{}{},
	}
}

// Run keeps the connection until ctx ends.
func (m *Manager) Run(ctx context.Context) error {
	m.run.Lock()
	defer m.run.Unlock()
	m.host.mu.Lock()
	if m.boot == m.host.mu.boots {
		m.running = true
		m.host.mu.managers[m] = struct{}{}
		m.reconnect()
	}
	m.host.mu.Unlock()
	<-ctx.Done()
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	m.disconnect()
	m.running = false
	delete(m.host.mu.managers, m)
	return ctx.Err()
}

// reconnect, disconnect and ring are called under the host's lock.

func (m *Manager) reconnect() {
	if m.online || m.host.mu.busDown {
		return
	}
	m.online = true
	m.lost = make(chan struct{})
	m.notify()
	m.all = true
	clear(m.rung)
	m.signal()
}

func (m *Manager) disconnect() {
	if !m.online {
		return
	}
	m.online = false
	close(m.lost)
	m.notify()
}

func (m *Manager) notify() {
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *Manager) ring(n unit.Name) {
	if !m.online {
		return
	}
	if !m.all {
		m.rung[n] = struct{}{}
	}
	m.signal()
}

func (m *Manager) ringAll() {
	if !m.online {
		return
	}
	m.all = true
	clear(m.rung)
	m.signal()
}

func (m *Manager) signal() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// lock waits for the connection, and returns with the host's lock held.
func (m *Manager) lock(ctx context.Context) error {
	for {
		m.stopped()
		if err := ctx.Err(); err != nil {
			return err
		}
		m.host.mu.Lock()
		if m.online && m.resumed == nil && m.host.mu.awake == nil {
			return nil
		}
		changed, online := m.changed, m.online
		m.host.mu.Unlock()
		if online {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", systemd.ErrConnection, ctx.Err())
		}
	}
}

// Wait is systemd.Manager's.
func (m *Manager) Wait(ctx context.Context) (names []unit.Name, all bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-m.wake:
		}
		m.stopped()
		m.host.mu.Lock()
		all = m.all
		for n := range m.rung {
			names = append(names, n)
		}
		m.all = false
		clear(m.rung)
		m.host.mu.Unlock()
		if all || len(names) > 0 {
			return names, all, nil
		}
	}
}

// Files is systemd.Manager's.
func (m *Manager) Files(ctx context.Context) (map[unit.Name]unit.ContentID, error) {
	m.stopped()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	files := make(map[unit.Name]unit.ContentID, len(m.host.mu.files))
	for n, raw := range m.host.mu.files {
		files[n] = unit.IDOf(raw)
	}
	return files, nil
}

// States is systemd.Manager's.
func (m *Manager) States(ctx context.Context, names []unit.Name) (map[unit.Name]unit.State, error) {
	if err := m.lock(ctx); err != nil {
		return nil, fmt.Errorf("read states: %w", err)
	}
	defer m.host.mu.Unlock()
	states := make(map[unit.Name]unit.State, len(names))
	for _, n := range names {
		states[n] = unit.State{Load: "not-found", Active: "inactive", Sub: "dead"}
		if p := m.host.mu.units[n]; p != nil {
			states[n] = p.state
		}
		if n == unit.FenceService && m.host.mu.fence != nil {
			states[n] = m.host.mu.fence.state
		}
	}
	return states, nil
}

// Start is systemd.Manager's.
func (m *Manager) Start(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, "start", n)
}

// Stop is systemd.Manager's.
func (m *Manager) Stop(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, "stop", n)
}

// Restart is systemd.Manager's.
func (m *Manager) Restart(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, "restart", n)
}

func (m *Manager) job(ctx context.Context, kind string, n unit.Name) (unit.JobResult, error) {
	result, lost, err := m.queue(ctx, kind, n)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", kind, n, err)
	}
	select {
	case r := <-result:
		return r, nil
	default:
	}
	select {
	case r := <-result:
		return r, nil
	case <-lost:
		return "", fmt.Errorf("%s %s: %w", kind, n, systemd.ErrConnection)
	case <-ctx.Done():
		return "", fmt.Errorf("%s %s: %w", kind, n, ctx.Err())
	}
}

func (m *Manager) queue(ctx context.Context, kind string, n unit.Name) (<-chan unit.JobResult, <-chan struct{}, error) {
	if err := m.lock(ctx); err != nil {
		return nil, nil, err
	}
	defer m.host.mu.Unlock()
	if f := m.host.mu.fence; f != nil && n == unit.FenceService && kind == "start" {
		done := make(chan unit.JobResult, 1)
		f.waiting = append(f.waiting, done)
		f.start()
		if f.state.Active == "active" {
			f.waiting = nil
			done <- unit.JobDone
		}
		return done, m.lost, nil
	}
	if kind == "stop" && m.host.mu.units[n] == nil {
		done := make(chan unit.JobResult, 1)
		done <- unit.JobDone
		return done, m.lost, nil
	}
	result, err := m.host.queue(n, kind)
	return result, m.lost, err
}

// Logs is systemd.Manager's.
func (m *Manager) Logs(ctx context.Context, n unit.Name, lines int) ([]string, error) {
	if err := m.lock(ctx); err != nil {
		return nil, fmt.Errorf("read log of %s: %w", n, err)
	}
	defer m.host.mu.Unlock()
	p := m.host.mu.units[n]
	if p == nil || lines <= 0 {
		return nil, nil
	}
	return append([]string(nil), p.logs[max(0, len(p.logs)-lines):]...), nil
}
