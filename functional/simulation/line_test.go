package simulation

import (
	"sync"
	"time"

	"fleet/registry/memory"
)

// line is a machine's way to the store, which all its processes share.
type line struct {
	mu struct {
		sync.Mutex
		fault   func(*memory.Client) // nil if it works
		clients []*memory.Client
	}
}

// take puts a connection on the line, as it is.
func (l *line) take(c *memory.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.clients = append(l.mu.clients, c)
	if l.mu.fault != nil {
		l.mu.fault(c)
	}
}

// fail has the line fail so until it is mended.
func (l *line) fail(fault func(*memory.Client)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.fault = fault
	for _, c := range l.mu.clients {
		fault(c)
	}
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.fault = nil
	for _, c := range l.mu.clients {
		c.Heal()
		c.Slow(0)
	}
}

func slow(d time.Duration) func(*memory.Client) {
	return func(c *memory.Client) { c.Slow(d) }
}
