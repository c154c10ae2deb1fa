package api

import (
	"context"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// cache is the cluster as the store last told it, with what makes lists cheap.
// Run writes it, requests read it.
type cache struct {
	life uint64 // a number of its own for every cache

	mu        sync.RWMutex
	snapshot  cluster.Snapshot
	version   uint64        // grows by one with every update
	told      bool          // the first update has arrived
	advanced  chan struct{} // closed by the next update
	listeners map[*listener]struct{}
	log       changelog
	history   history
	now       func() time.Time

	// located has every unit that is in a list of units or states.
	located map[unit.Name]located
	phases  map[cluster.Phase]int // how many of located are in which

	// draining are the machines that are present and drained: what is left to leave depends on more than their own records.
	draining map[cluster.MachineID]struct{}

	known     sortedKeys[unit.Name] // units that any record names
	submitted sortedKeys[unit.Name] // of these, units with a record
	reported  sortedKeys[unit.Name] // of located, those that a present machine reports
	present   sortedKeys[cluster.MachineID]
	away      sortedKeys[cluster.MachineID] // not present, and still known
	pasts     pasts
	files     fileViews
	needs     fileNeeds

	reservations reservations
}

// located is what lists want to know of a unit before they look at it.
type located struct {
	phase    cluster.Phase // how far the last request for it has come
	reported bool          // by a present machine
}

func newCache() *cache {
	return &cache{
		life:      rand.Uint64(),
		advanced:  make(chan struct{}),
		listeners: make(map[*listener]struct{}),
		log:       changelog{limit: rememberedChanges},
		history:   newHistory(),
		now:       time.Now,
		located:   make(map[unit.Name]located),
		phases:    make(map[cluster.Phase]int),
		draining:  make(map[cluster.MachineID]struct{}),
		pasts:     pasts{maxRows: maxKeptRows},
	}
}

// apply takes in an update and tells the listeners. It never waits for one.
func (c *cache) apply(u cluster.Update) {
	c.mu.Lock()
	defer c.mu.Unlock()

	ids, leader, alarms := c.machinesOf(u), c.snapshot.Leader, c.alarms()
	before := make(map[cluster.MachineID]machineState, len(ids))
	for id := range ids {
		before[id] = c.machineState(id)
	}
	c.keep(u)
	names := c.snapshot.Apply(u)
	c.version++
	for id := range c.machinesOf(u) {
		ids[id] = struct{}{}
	}
	step := change{revision: u.Revision, names: names}
	var happened []Happening
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		was, now := before[id], c.machineState(id)
		happened = append(happened, machineHappened(id, was.seen, now.seen)...)
		switch {
		case was.equal(now):
		case was.seen.shown || now.seen.shown:
			step.ids = append(step.ids, id)
		default:
			step.away = append(step.away, id)
		}
	}
	happened = append(happened, leaderHappened(leader, c.snapshot.Leader)...)
	happened = append(happened, alarmsHappened(alarms, c.alarms())...)

	c.forget(u)
	c.findDraining(u)
	for _, name := range names {
		status := c.snapshot.Status(name)
		c.locate(status)
		if was, is := c.history.unit(status); c.told {
			happened = append(happened, unitHappened(was, is, c.snapshot.Presence)...)
		}
	}
	c.remember(u, happened)
	if u.Reset {
		c.log.begin(u.Revision) // what happened in between is not known
	} else {
		c.log.add(step)
	}
	for l := range c.listeners {
		l.tell(step)
	}
	c.told = true
	close(c.advanced)
	c.advanced = make(chan struct{})
}

// remember adds what has happened with an update to the history. What was there at first has not.
func (c *cache) remember(u cluster.Update, happened []Happening) {
	now := c.now().UTC().Truncate(time.Millisecond)
	if !c.told {
		c.history.begin(u.Revision, now)
		return
	}
	if u.Reset {
		c.history.add(u.Revision, now, gap("this server had to read everything anew from the store: what happened in between may be missing"))
	}
	c.history.add(u.Revision, now, happened...)
}

// machineState is what a machine's event is made of, and what tells what has happened to it.
type machineState struct {
	machine *Machine                    // as it is told, without what is reserved
	units   map[unit.Name]cluster.Order // what is reserved follows from their files
	seen    machinePast
}

func (c *cache) machineState(id cluster.MachineID) machineState {
	v := c.view()
	orders, _ := v.Orders(id)
	m := v.bareMachine(id)
	if m == nil {
		m = v.awayMachine(id)
	}
	if m != nil {
		m.Drain = v.drained(id)
	}
	return machineState{m, orders.Units, v.machinePast(id, m)}
}

func (m machineState) equal(o machineState) bool {
	sameFile := func(a, b cluster.Order) bool { return a.Content == b.Content }
	return reflect.DeepEqual(m.machine, o.machine) && maps.EqualFunc(m.units, o.units, sameFile)
}

// machinesOf collects the machines that u may concern, as the snapshot stands.
func (c *cache) machinesOf(u cluster.Update) map[cluster.MachineID]struct{} {
	ids := make(map[cluster.MachineID]struct{})
	if u.Reset {
		for _, id := range slices.Concat(c.view().machineIDs(), c.snapshot.Away()) {
			ids[id] = struct{}{}
		}
	}
	for _, change := range u.Changes {
		switch change := change.(type) {
		case cluster.MachineChanged:
			ids[change.ID] = struct{}{}
		case cluster.SettingsChanged:
			ids[change.ID] = struct{}{}
		case cluster.AgentChanged:
			ids[change.ID] = struct{}{}
		case cluster.AbsenceChanged:
			ids[change.ID] = struct{}{}
		case cluster.OrdersChanged:
			ids[change.ID] = struct{}{}
		case cluster.LeaderChanged:
			ids[change.Machine] = struct{}{}
			ids[c.snapshot.Leader] = struct{}{}
		case cluster.Corrupted:
			switch change.Kind {
			case cluster.KindMachine, cluster.KindSettings, cluster.KindOrders, cluster.KindAgent, cluster.KindAbsence:
				ids[cluster.MachineID(change.ID)] = struct{}{}
			}
		}
	}
	for id := range c.draining {
		ids[id] = struct{}{}
	}
	delete(ids, "")
	return ids
}

// findDraining keeps track of the machines that are drained.
func (c *cache) findDraining(u cluster.Update) {
	if u.Reset {
		clear(c.draining)
	}
	for id := range c.machinesOf(u) {
		machine, there := c.snapshot.Machine(id)
		if there && c.snapshot.Settings(id).Draining(machine) {
			c.draining[id] = struct{}{}
		} else {
			delete(c.draining, id)
		}
	}
}

// forget drops what was derived from records that u changed.
func (c *cache) forget(u cluster.Update) {
	c.reservations.drop(u)
	if u.Reset {
		c.files.clear()
		c.needs.clear()
		c.known.stale()
		c.submitted.stale()
		c.present.stale()
		c.away.stale()
	}
	for _, change := range u.Changes {
		switch change := change.(type) {
		case cluster.UnitChanged:
			c.submitted.put(change.Name, change.Unit != nil)
		case cluster.FileChanged:
			c.files.drop(change.ID)
			c.needs.drop(change.ID)
		case cluster.MachineChanged:
			c.present.put(change.ID, change.Machine != nil)
		case cluster.Corrupted:
			c.forgetDamaged(change)
		}
	}
	for id := range c.machinesOf(u) {
		c.away.put(id, c.view().away(id))
	}
}

func (c *cache) forgetDamaged(change cluster.Corrupted) {
	switch change.Kind {
	case cluster.KindUnit:
		c.submitted.put(unit.Name(change.ID), true)
	case cluster.KindMachine:
		c.present.put(cluster.MachineID(change.ID), true)
	case cluster.KindFile:
		c.files.drop(unit.ContentID(change.ID))
		c.needs.drop(unit.ContentID(change.ID))
	}
}

// locate takes in what is known of one unit now.
func (c *cache) locate(st cluster.Status) {
	reported := slices.ContainsFunc(st.Copies, func(c cluster.Copy) bool { return c.Report != nil })
	c.reported.put(st.Name, reported)
	c.known.put(st.Name, st.Exists || len(st.Copies) > 0 || st.Pending != nil)
	if was, had := c.located[st.Name]; had {
		c.phases[was.phase]--
	}
	if !st.Exists && !reported {
		delete(c.located, st.Name)
		return
	}
	phase, _ := st.Outcome()
	c.phases[phase]++
	c.located[st.Name] = located{phase, reported}
}

// readAt calls fn with the cluster as it was, which fn must not keep. The caller holds p.
func (c *cache) readAt(p *past, fn func(view)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	v := c.view()
	v.past = p
	if p.whole != nil {
		v.Snapshot = p.whole
	}
	fn(v)
}

// read calls fn with the cluster, which fn must not keep.
func (c *cache) read(fn func(view)) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	fn(c.view())
}

func (c *cache) view() view {
	return view{Snapshot: &c.snapshot, files: &c.files, needs: &c.needs, reservations: &c.reservations, located: c.located}
}

func (c *cache) filled() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.told
}

// clock is the time, in the precision of records.
func (c *cache) clock() time.Time {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.now().UTC().Truncate(time.Millisecond)
}

// await blocks until the cache has reached a revision of the store, or ctx ends.
func (c *cache) await(ctx context.Context, revision int64) {
	for {
		c.mu.RLock()
		reached, advanced := c.snapshot.Revision >= revision, c.advanced
		c.mu.RUnlock()
		if reached {
			return
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return
		}
	}
}
