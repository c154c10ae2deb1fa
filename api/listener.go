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
	units    filter
	machines bool
	wake     chan struct{} // has one element when there is something to take

	mu    sync.Mutex
	names map[unit.Name]struct{}
	ids   map[cluster.MachineID]struct{}
}

// batch is what there is to tell a stream. Who has been told all of it has been told everything up to a revision.
type batch struct {
	names    []unit.Name
	ids      []cluster.MachineID
	revision int64
	reset    string // why it is everything although only what is newer was asked for
}

// listen begins to collect, and returns what there is to tell at first: what
// has changed after a revision, or everything if that is zero or lies too far
// back. Nothing that changes from here on is missed.
func (c *cache) listen(units filter, machines bool, since int64) (*listener, batch) {
	l := &listener{
		units:    units,
		machines: machines,
		wake:     make(chan struct{}, 1),
		names:    make(map[unit.Name]struct{}),
		ids:      make(map[cluster.MachineID]struct{}),
	}
	c.mu.Lock()
	c.listeners[l] = struct{}{}
	c.mu.Unlock()

	first := c.changedSince(since, units)
	if units.ofNames() {
		first.names = slices.DeleteFunc(first.names, func(name unit.Name) bool { return !units.named(name) })
	}
	if !machines {
		first.ids = nil
	}
	return l, first
}

// changedSince is everything if the revision is zero, or lies too far back. Of units it has all that are selected, and may have more.
func (c *cache) changedSince(revision int64, units filter) batch {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b := batch{revision: c.snapshot.Revision}
	switch {
	case revision > b.revision:
		b.reset = "this server has not seen the revision yet that was asked for"
	case revision > 0:
		var remembered bool
		if b.names, b.ids, remembered = c.log.since(revision); remembered {
			return b
		}
		b.reset = "this server does not remember everything since the revision that was asked for"
	}
	// Units that are asked for by name are told even if there are none.
	b.names, b.ids = slices.Clone(units.names), c.view().machineIDs()
	if len(units.globs) > 0 || !units.ofNames() {
		b.names = append(b.names, c.snapshot.Names()...)
		slices.Sort(b.names)
		b.names = slices.Compact(b.names)
	}
	return b
}

func (c *cache) unlisten(l *listener) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.listeners, l)
}

// tell notes what has changed.
func (l *listener) tell(step change) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range step.names {
		if l.units.named(name) {
			l.names[name] = struct{}{}
		}
	}
	if l.machines {
		for _, id := range step.ids {
			l.ids[id] = struct{}{}
		}
	}
	if len(l.names)+len(l.ids) == 0 {
		return
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// take returns everything that a listener has noted since it was last called, sorted.
func (c *cache) take(l *listener) batch {
	c.mu.RLock()
	defer c.mu.RUnlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := batch{
		names: slices.Sorted(maps.Keys(l.names)), ids: slices.Sorted(maps.Keys(l.ids)),
		revision: c.snapshot.Revision,
	}
	clear(l.names)
	clear(l.ids)
	return b
}
