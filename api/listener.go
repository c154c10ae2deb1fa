package api

import (
	"maps"
	"slices"
	"sync"

	"fleet/cluster"
	"fleet/unit"
)

// listener collects what has changed for one event stream. It keeps names,
// not states: a reader that is slow finds the newest state when it comes, and
// holds nobody up.
type listener struct {
	selected map[unit.Name]struct{} // nil: all units
	machines bool
	wake     chan struct{} // has one element when there is something to take

	mu    sync.Mutex
	names map[unit.Name]struct{}
	ids   map[cluster.MachineID]struct{}
}

// listen begins to collect, and returns what there is to tell at first:
// nothing that changes from here on is missed.
func (c *cache) listen(units []unit.Name, machines bool) (*listener, []unit.Name, []cluster.MachineID) {
	l := &listener{
		machines: machines,
		wake:     make(chan struct{}, 1),
		names:    make(map[unit.Name]struct{}),
		ids:      make(map[cluster.MachineID]struct{}),
	}
	if len(units) > 0 {
		l.selected = make(map[unit.Name]struct{}, len(units))
		for _, name := range units {
			l.selected[name] = struct{}{}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listeners[l] = struct{}{}

	names := slices.Sorted(maps.Keys(l.selected))
	if l.selected == nil {
		names = c.snapshot.Names()
	}
	var ids []cluster.MachineID
	if machines {
		ids = c.view().machineIDs()
	}
	return l, names, ids
}

func (c *cache) unlisten(l *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.listeners, l)
}

// tell notes what has changed.
func (l *listener) tell(names []unit.Name, ids map[cluster.MachineID]struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range names {
		if _, ok := l.selected[name]; ok || l.selected == nil {
			l.names[name] = struct{}{}
		}
	}
	if l.machines {
		maps.Copy(l.ids, ids)
	}
	if len(l.names)+len(l.ids) == 0 {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns everything noted since it was last called, sorted.
func (l *listener) take() ([]unit.Name, []cluster.MachineID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	names, ids := slices.Sorted(maps.Keys(l.names)), slices.Sorted(maps.Keys(l.ids))
	clear(l.names)
	clear(l.ids)
	return names, ids
}
