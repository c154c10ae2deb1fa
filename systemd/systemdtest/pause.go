package systemdtest

import (
	"time"
)

// Nap is a time during which a host was suspended: nothing on it ran. End is zero while it lasts.
type Nap struct{ Start, End time.Time }

// Suspend stops everything on the host, systemd included. Its clocks go on. Resume ends it.
func (h *Host) Suspend() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.awake != nil {
		return
	}
	h.mu.awake = make(chan struct{})
	h.mu.naps = append(h.mu.naps, Nap{Start: time.Now()})
}

// Resume is the end of Suspend. What became due meanwhile is done at once, in the order in which it was due.
func (h *Host) Resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake(true)
}

// wake ends a suspension; what became due is done, or forgotten with the power.
func (h *Host) wake(do bool) {
	if h.mu.awake == nil {
		return
	}
	h.mu.naps[len(h.mu.naps)-1].End = time.Now()
	close(h.mu.awake)
	h.mu.awake = nil
	late := h.mu.late
	h.mu.late = nil
	for _, overdue := range late {
		if do {
			overdue()
		}
	}
}

// due does what a timer is for, or has it done when the host goes on.
func (h *Host) due(do func()) {
	if h.mu.awake != nil {
		h.mu.late = append(h.mu.late, do)
		return
	}
	do()
}

// Naps are the times during which the host was suspended.
func (h *Host) Naps() []Nap {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]Nap(nil), h.mu.naps...)
}

// Pause stops the process that uses the connection, as SIGSTOP would: what it is about to ask is not asked, and
// what it waits for does not reach it. Continue ends it.
func (m *Manager) Pause() {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	if m.resumed == nil {
		m.resumed = make(chan struct{})
	}
}

// Continue is the end of Pause.
func (m *Manager) Continue() {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	if m.resumed != nil {
		close(m.resumed)
		m.resumed = nil
	}
}

// stopped returns when the process that uses the connection goes on, whatever has become of its contexts.
func (m *Manager) stopped() {
	for {
		m.host.mu.Lock()
		resumed := m.resumed
		if resumed == nil {
			resumed = m.host.mu.awake
		}
		m.host.mu.Unlock()
		if resumed == nil {
			return
		}
		<-resumed
	}
}
