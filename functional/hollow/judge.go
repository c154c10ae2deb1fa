package hollow

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/unit"
)

// View is what the store says of the cluster, in numbers. Only machines that are there count.
type View struct {
	Leader   cluster.MachineID
	Units    int // records of units
	Machines int
	Reports  int
	Ordered  int // units that machines are ordered to have
	Active   int // units that are reported active, in the generation that is ordered
	Behind   int // machines that have not reported on their newest orders, or not at all

	FirstOrder time.Time // when the first unit was seen to be ordered
	LastOrder  time.Time // when Ordered changed last
	Resets     int       // how often everything was told anew

	OrdersWritten  int // how often the orders of any machine were written
	ReportsWritten int // likewise
}

// Judge follows the records as a server of the API does, and counts.
type Judge struct {
	end   context.CancelFunc
	ended chan struct{}

	mu struct {
		sync.Mutex
		view    View
		changed chan struct{} // closed by the next change
		places  map[cluster.MachineID]*place
		units   map[unit.Name]struct{}
	}
}

// place is what is known of one machine.
type place struct {
	there  bool
	orders cluster.Orders
	report cluster.Report
	active int
}

func newJudge(store registry.Store) *Judge {
	ctx, end := context.WithCancel(context.Background())
	j := &Judge{end: end, ended: make(chan struct{})}
	j.mu.changed = make(chan struct{})
	j.mu.places = make(map[cluster.MachineID]*place)
	j.mu.units = make(map[unit.Name]struct{})
	go func() {
		defer close(j.ended)
		_ = registry.New(store, registry.Options{}).Follow(ctx, j.take) // it ends with ctx
	}()
	return j
}

func (j *Judge) close() error {
	j.end()
	<-j.ended
	return nil
}

// View is how things are now.
func (j *Judge) View() View {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.mu.view
}

// Await returns when the view is as asked for.
func (j *Judge) Await(ctx context.Context, is func(View) bool) error {
	for {
		j.mu.Lock()
		view, changed := j.mu.view, j.mu.changed
		j.mu.Unlock()
		if is(view) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w while it is not as expected: %+v", context.Cause(ctx), view)
		}
	}
}

func (j *Judge) take(u cluster.Update) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	v := &j.mu.view
	if u.Reset {
		clear(j.mu.places)
		clear(j.mu.units)
		*v = View{
			FirstOrder: v.FirstOrder, LastOrder: v.LastOrder, Resets: v.Resets + 1,
			OrdersWritten: v.OrdersWritten, ReportsWritten: v.ReportsWritten,
		}
	}
	ordered := v.Ordered
	for _, change := range u.Changes {
		j.change(change)
	}
	if v.Ordered != ordered {
		v.LastOrder = time.Now()
		if v.FirstOrder.IsZero() {
			v.FirstOrder = v.LastOrder
		}
	}
	close(j.mu.changed)
	j.mu.changed = make(chan struct{})
	return nil
}

func (j *Judge) change(change cluster.Change) {
	switch c := change.(type) {
	case cluster.UnitChanged:
		if c.Unit == nil {
			delete(j.mu.units, c.Name)
		} else {
			j.mu.units[c.Name] = struct{}{}
		}
		j.mu.view.Units = len(j.mu.units)
	case cluster.LeaderChanged:
		j.mu.view.Leader = c.Machine
	case cluster.MachineChanged:
		j.at(c.ID, func(p *place) { p.there = c.Machine != nil })
	case cluster.OrdersChanged:
		j.mu.view.OrdersWritten++
		j.at(c.ID, func(p *place) {
			p.orders = cluster.Orders{}
			if c.Orders != nil {
				p.orders = *c.Orders
			}
		})
	case cluster.ReportChanged:
		j.mu.view.ReportsWritten++
		j.at(c.ID, func(p *place) {
			p.report = cluster.Report{}
			if c.Report != nil {
				p.report = *c.Report
			}
		})
	}
}

// at changes what is known of a machine, and the sums with it.
func (j *Judge) at(id cluster.MachineID, change func(*place)) {
	p := j.mu.places[id]
	if p == nil {
		p = &place{}
		j.mu.places[id] = p
	}
	p.count(&j.mu.view, -1)
	change(p)
	p.active = 0
	for name, r := range p.report.Units {
		if r.Active == "active" && r.Error == "" && r.Generation >= p.orders.Units[name].Generation {
			p.active++
		}
	}
	p.count(&j.mu.view, +1)
}

func (p *place) count(v *View, by int) {
	if !p.there {
		return
	}
	v.Machines += by
	v.Ordered += by * len(p.orders.Units)
	v.Active += by * p.active
	if p.report.Revision != 0 {
		v.Reports += by
	}
	if p.report.Revision == 0 || p.report.Orders != p.orders.Revision && len(p.orders.Units) > 0 {
		v.Behind += by
	}
}

// AwaitUnit returns when the unit is reported active.
func (j *Judge) AwaitUnit(ctx context.Context, name unit.Name) error {
	return j.Await(ctx, func(View) bool {
		j.mu.Lock()
		defer j.mu.Unlock()
		for _, p := range j.mu.places {
			if r, told := p.report.Units[name]; p.there && told && r.Active == "active" {
				return true
			}
		}
		return false
	})
}

// known is what the judge has been told of a machine.
func (j *Judge) known(id cluster.MachineID) place {
	j.mu.Lock()
	defer j.mu.Unlock()
	if p := j.mu.places[id]; p != nil {
		return *p
	}
	return place{}
}

// restarted tells whether the present orders for all of these units have been carried out, and ask for a restart.
func (j *Judge) restarted(names []unit.Name) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	left := make(map[unit.Name]struct{}, len(names))
	for _, n := range names {
		left[n] = struct{}{}
	}
	for _, p := range j.mu.places {
		for n, order := range p.orders.Units {
			if _, asked := left[n]; !asked || !p.there || order.Restart == 0 {
				continue
			}
			if r := p.report.Units[n]; r.Generation >= order.Generation && r.Active == "active" {
				delete(left, n)
			}
		}
	}
	return len(left) == 0
}
