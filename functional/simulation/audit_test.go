package simulation

import (
	"context"
	"slices"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// audited is fleetd's connection to systemd, of which is told what stops units.
type audited struct {
	*systemdtest.Manager
	m *machine
}

func (a *audited) Start(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	r, err := a.Manager.Start(ctx, n)
	if a.m.w.mischief && err == nil {
		return a.Stop(ctx, n)
	}
	return r, err
}

func (a *audited) Stop(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	a.m.stops("stop", n)
	return a.Manager.Stop(ctx, n)
}

func (a *audited) Restart(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	a.m.stops("restart", n)
	return a.Manager.Restart(ctx, n)
}

func (m *machine) stops(step string, n unit.Name) {
	if m.w.audit != nil {
		m.w.audit(m, step, n)
	}
}

// ledger is what the store has said, and when.
type ledger struct {
	mu struct {
		sync.Mutex
		orders   map[cluster.MachineID][]entry[cluster.Orders]
		sessions map[cluster.MachineID][]entry[cluster.Session] // zero: none
		leaders  []entry[cluster.MachineID]
	}
}

// entry is what a record was from some time on.
type entry[T any] struct {
	from time.Time
	is   T
}

func newLedger() *ledger {
	l := &ledger{}
	l.mu.orders = make(map[cluster.MachineID][]entry[cluster.Orders])
	l.mu.sessions = make(map[cluster.MachineID][]entry[cluster.Session])
	return l
}

// take is for registry.Follow.
func (l *ledger) take(u cluster.Update) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	for _, c := range u.Changes {
		switch c := c.(type) {
		case cluster.OrdersChanged:
			if c.Orders != nil {
				l.mu.orders[c.ID] = append(l.mu.orders[c.ID], entry[cluster.Orders]{now, *c.Orders})
			}
		case cluster.MachineChanged:
			var session cluster.Session
			if c.Machine != nil {
				session = c.Machine.Session
			}
			l.mu.sessions[c.ID] = append(l.mu.sessions[c.ID], entry[cluster.Session]{now, session})
		case cluster.LeaderChanged:
			l.mu.leaders = append(l.mu.leaders, entry[cluster.MachineID]{now, c.Machine})
		}
	}
	return nil
}

// toldToStop: between two times the machine had orders by which the unit was not to go on as it was.
func (l *ledger) toldToStop(id cluster.MachineID, name unit.Name, running unit.ContentID, since, at time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var before cluster.Order
	for i, o := range l.mu.orders[id] {
		if o.from.After(at) {
			break
		}
		order, ordered := o.is.Units[name]
		until := at
		if i+1 < len(l.mu.orders[id]) {
			until = l.mu.orders[id][i+1].from
		}
		if until.Before(since) {
			before = order
			continue
		}
		switch {
		case !ordered, order.Desired != cluster.Launched, order.Content != running:
			return true
		case order.Restart > before.Restart, order.Fence > before.Fence:
			return true
		}
		before = order
	}
	return len(l.mu.orders[id]) == 0
}

// atOnce is less than the time within which losses of machines count together (loss_window).
const atOnce = 20 * time.Second

// stampede tells whether so many machines were lost, the one among them, atOnce, that units had to wait for them. Those that
// may have been drained, and so may have taken leave, are not lost.
func (l *ledger) stampede(id cluster.MachineID, at time.Time, drained map[cluster.MachineID]bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	there, lost, among := 0, 0, false
	for other := range l.mu.sessions {
		if !l.present(other, at.Add(-atOnce)) {
			continue
		}
		there++
		if !drained[other] && !l.present(other, at.Add(1)) { // a loss and what is decided about it may be of one instant
			lost++
			among = among || other == id
		}
	}
	return among && lost >= 2 && 2*lost > there
}

// present tells whether the machine had a session at a time; one that began or ended just then counts.
func (l *ledger) present(id cluster.MachineID, at time.Time) bool {
	is := false
	for _, s := range l.mu.sessions[id] {
		if s.from.Before(at) || s.from.Equal(at) && !s.is.IsZero() {
			is = !s.is.IsZero()
		}
	}
	return is
}

// led tells whether nobody else came to lead between two times.
func (l *ledger) led(from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !slices.ContainsFunc(l.mu.leaders, func(e entry[cluster.MachineID]) bool {
		return !e.from.Before(from) && !e.from.After(to)
	})
}

// placed is when the unit came into the orders of a machine on which it was started at a time.
func (l *ledger) placed(id cluster.MachineID, name unit.Name, started time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	var at time.Time
	was := false
	for _, o := range l.mu.orders[id] {
		if o.from.After(started) {
			break
		}
		_, is := o.is.Units[name]
		if is && !was {
			at = o.from
		}
		was = is
	}
	return at
}

// stayed tells whether a machine had one and the same session all that time.
func (l *ledger) stayed(id cluster.MachineID, from, to time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var was cluster.Session
	for _, s := range l.mu.sessions[id] {
		if s.from.After(to) {
			break
		}
		if s.from.After(from) && s.is != was {
			return false
		}
		was = s.is
	}
	return !was.IsZero()
}
