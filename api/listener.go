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
	absent   bool          // machines that are not present too
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
	whole    bool   // it is everything
	reset    string // why it is although only what is newer was asked for
}

// listen begins to collect, and returns what there is to tell at first: what
// has changed after a revision, or everything if that is zero or lies too far
// back. Nothing that changes from here on is missed.
func (c *cache) listen(units filter, machines, absent bool, since int64) (*listener, batch) {
	l := &listener{
		units:    units,
		machines: machines,
		absent:   absent,
		wake:     make(chan struct{}, 1),
		names:    make(map[unit.Name]struct{}),
		ids:      make(map[cluster.MachineID]struct{}),
	}
	c.mu.Lock()
	c.listeners[l] = struct{}{}
	c.mu.Unlock()

	first := c.changedSince(since, absent)
	first.names = units.told(first.names, first.whole)
	if !machines {
		first.ids = nil
	}
	return l, first
}

// changedSince is everything if the revision is zero, or lies too far back. Whatever takes long for many is done without
// the lock: when a server is started, all its clients come at once, and updates would wait for each of them.
func (c *cache) changedSince(revision int64, absent bool) batch {
	b, steps := c.stepsSince(revision, absent)
	if !b.whole {
		b.names, b.ids = merged(steps, absent)
	}
	return b
}

func (c *cache) stepsSince(revision int64, absent bool) (batch, []change) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	b := batch{revision: c.snapshot.Revision}
	switch {
	case revision > b.revision:
		b.reset = "this server has not seen the revision yet that was asked for"
	case revision > 0:
		if steps, remembered := c.log.since(revision); remembered {
			return b, steps
		}
		b.reset = "this server does not remember everything since the revision that was asked for"
	}
	b.whole, b.names, b.ids = true, c.knownNames(), c.presentMachines()
	if absent {
		b.ids = allMachines(b.ids, c.awayMachines())
	}
	return b, nil
}

// told returns those of sorted names that are selected, in a list of its own if they are not all. Of everything, units that
// are asked for by name are told even if there are none.
func (f *filter) told(names []unit.Name, whole bool) []unit.Name {
	if !f.ofNames() {
		return names
	}
	if len(f.globs) == 0 && whole {
		return f.names
	}
	if len(f.globs) == 1 && len(f.names) == 0 {
		names = beginning(names, f.globs[0].prefix)
	}
	var selected []unit.Name
	for _, name := range names {
		if f.named(name) {
			selected = append(selected, name)
		}
	}
	if whole {
		selected = append(selected, f.names...)
		slices.Sort(selected)
		selected = slices.Compact(selected)
	}
	return selected
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
		for _, id := range step.away {
			if l.absent {
				l.ids[id] = struct{}{}
			}
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
