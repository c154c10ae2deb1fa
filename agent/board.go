package agent

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

// board is everything the agent knows. Whoever learns something writes it here
// under the lock and rings; nobody does I/O while holding it.
type board struct {
	sync.Mutex
	reconcile.Input                                  // Now and Names are set by turn alone
	cancel          map[unit.Name]context.CancelFunc // of the wait for a step in Busy

	seen    chan struct{} // closed once the host has been looked at
	fresh   names         // units that the loop has to look at
	again   time.Time     // when the loop has to look at all units
	taken   int64         // revision of the orders that the views take into account
	telling bool          // what is new will be reported in a while
	saved   int64         // counts changes of Memory

	reporting time.Duration // how long the store took for the last report

	request request // what the reader has to read

	guard Guard // the fence that is there; zero if none is active

	serving *serving // the session being served, nil if there is none
	views   map[unit.Name]cluster.UnitReport
	logs    map[unit.Name]excerpt
}

// names are some units, or all.
type names struct {
	all bool
	set map[unit.Name]struct{}
}

func (n *names) add(name unit.Name) {
	if n.set == nil {
		n.set = make(map[unit.Name]struct{})
	}
	n.set[name] = struct{}{}
}

func (b *board) init(memory map[unit.Name]reconcile.Memory) {
	b.Files = make(map[unit.Name]unit.ContentID)
	b.States = make(map[unit.Name]unit.State)
	b.Memory = memory
	b.Busy = make(map[unit.Name]reconcile.Step)
	b.cancel = make(map[unit.Name]context.CancelFunc)
	b.seen = make(chan struct{})
	b.views = make(map[unit.Name]cluster.UnitReport)
	b.logs = make(map[unit.Name]excerpt)
	b.request.all = true
}

// ready tells whether the host has been looked at.
func (b *board) ready() bool {
	select {
	case <-b.seen:
		return true
	default:
		return false
	}
}

// ours tells whether anything names the unit.
func (b *board) ours(name unit.Name) bool {
	if _, ok := b.Files[name]; ok {
		return true
	}
	if _, ok := b.Memory[name]; ok {
		return true
	}
	if _, ok := b.Busy[name]; ok {
		return true
	}
	_, ok := b.order(name)
	return ok
}

// known lists the units that anything names.
func (b *board) known() []unit.Name {
	all := make(map[unit.Name]struct{}, len(b.Files)+len(b.views))
	mark(all, b.Files)
	mark(all, b.Memory)
	mark(all, b.Busy)
	mark(all, b.views)
	if b.Obeys() {
		mark(all, b.Orders.Units)
	}
	return slices.Collect(maps.Keys(all))
}

func mark[V any](set map[unit.Name]struct{}, m map[unit.Name]V) {
	for name := range m {
		set[name] = struct{}{}
	}
}

// order is the unit's order, if there are orders for the present session.
func (b *board) order(name unit.Name) (cluster.Order, bool) {
	if !b.Obeys() {
		return cluster.Order{}, false
	}
	o, ok := b.Orders.Units[name]
	return o, ok
}

// remember changes what is known of a unit that neither orders nor systemd can tell.
func (b *board) remember(name unit.Name, m reconcile.Memory) {
	if b.Memory[name] != m {
		b.Memory[name] = m
		b.saved++
	}
}

// forget drops a unit that is gone.
func (b *board) forget(name unit.Name) {
	if _, ok := b.Memory[name]; ok {
		delete(b.Memory, name)
		b.saved++
	}
	delete(b.States, name)
	delete(b.logs, name)
}

// prune drops states of units that nothing names any more: nobody would renew them.
func (b *board) prune() {
	for name := range b.States {
		if !b.ours(name) {
			delete(b.States, name)
			delete(b.logs, name)
		}
	}
}

// interrupt ends the wait for the unit's step, if there is one.
func (b *board) interrupt(name unit.Name) {
	if cancel, ok := b.cancel[name]; ok {
		cancel()
	}
}
