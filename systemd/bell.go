package systemd

import (
	"context"
	"sync"

	sddbus "github.com/coreos/go-systemd/v22/dbus"
	"github.com/godbus/dbus/v5"

	"fleet/unit"
)

const unitPaths = "/org/freedesktop/systemd1/unit/"

// bell collects the names of fleet's units about which systemd signalled.
// Ringing never blocks; the set is bounded by the units known to it.
type bell struct {
	wake chan struct{} // capacity 1: full while there is something to collect

	mu struct {
		sync.Mutex
		known map[dbus.ObjectPath]unit.Name
		rung  map[unit.Name]struct{}
		all   bool
	}
}

func newBell() *bell {
	b := &bell{wake: make(chan struct{}, 1)}
	b.mu.known = map[dbus.ObjectPath]unit.Name{}
	b.mu.rung = map[unit.Name]struct{}{}
	return b
}

func objectPath(n unit.Name) dbus.ObjectPath {
	return dbus.ObjectPath(unitPaths + sddbus.PathBusEscape(string(n)))
}

// know makes the bell listen for a unit. A host has many units that change
// all the time and are none of fleet's business.
func (b *bell) know(n unit.Name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.known[objectPath(n)] = n
}

func (b *bell) forget(n unit.Name) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.mu.known, objectPath(n))
	delete(b.mu.rung, n)
}

// name is the unit with this object path, "" if it is not fleet's.
func (b *bell) name(p dbus.ObjectPath) unit.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.known[p]
}

// ring marks the unit with this object path and returns its name, "" if it is not fleet's.
func (b *bell) ring(p dbus.ObjectPath) unit.Name {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, ok := b.mu.known[p]
	if !ok {
		return ""
	}
	if !b.mu.all {
		b.mu.rung[n] = struct{}{}
	}
	b.signal()
	return n
}

func (b *bell) ringAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.all = true
	clear(b.mu.rung)
	b.signal()
}

func (b *bell) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *bell) wait(ctx context.Context) (names []unit.Name, all bool, err error) {
	for {
		select {
		case <-ctx.Done():
			return nil, false, ctx.Err()
		case <-b.wake:
		}
		if names, all = b.collect(); all || len(names) > 0 {
			return names, all, nil
		}
	}
}

func (b *bell) collect() (names []unit.Name, all bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all = b.mu.all
	for n := range b.mu.rung {
		names = append(names, n)
	}
	b.mu.all = false
	clear(b.mu.rung)
	return names, all
}
