package hollow

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/registry"
	"fleet/unit"
)

// Audit is what a quiet cluster was found to be. In one that is as it should be nothing is Lost, Restarted or Doubled.
type Audit struct {
	Lost      []string // what somebody was not told, or has not told: each a sentence
	Restarted int      // processes that were started although nobody had asked for that
	Doubled   int      // units that run on several machines
}

// Audit compares what the hosts ran, what the store holds, what machines and the server of the API make of it, and
// what the judge was told. restarted are the units that somebody has asked to be restarted once.
func (c *Cluster) Audit(ctx context.Context, restarted []unit.Name) (Audit, error) {
	var a Audit
	stored, err := c.stored(ctx)
	if err != nil {
		return a, err
	}
	asked := make(map[unit.Name]bool, len(restarted))
	for _, name := range restarted {
		asked[name] = true
	}
	where := make(map[unit.Name]int)
	running := 0
	for _, m := range c.alive() {
		for _, name := range m.Host.Running() {
			running++
			if where[name]++; where[name] == 2 {
				a.Doubled++
			}
		}
		if err := c.compare(ctx, m, stored, &a); err != nil {
			return a, err
		}
		a.count(m, asked)
	}
	for name := range asked {
		a.lose("restart of %s: it was not carried out", name)
	}
	shown, err := c.shows(ctx, running)
	if err != nil {
		return a, err
	}
	if shown != running {
		a.lose("the API shows %d active units, there are %d", shown, running)
	}
	return a, nil
}

// toldWithin is how long the server of the API may take to be told what the store has.
const toldWithin = 10 * time.Second

// shows is how many units the API shows to be active, when that has become as many as there are or has had the time for it.
func (c *Cluster) shows(ctx context.Context, running int) (shown int, err error) {
	for end := time.Now().Add(toldWithin); ; {
		shown, err = c.front.active(ctx)
		if err != nil || shown == running || time.Now().After(end) {
			return shown, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(insistPause):
		}
	}
}

func (a *Audit) lose(format string, args ...any) {
	a.Lost = append(a.Lost, fmt.Sprintf(format, args...))
}

// stored reads all records.
func (c *Cluster) stored(ctx context.Context) (*cluster.Snapshot, error) {
	line, err := c.o.Dial(ctx, false)
	if err != nil {
		return nil, fmt.Errorf("connect the auditor: %w", err)
	}
	defer line.Close()
	var s cluster.Snapshot
	reading, done := context.WithCancel(ctx)
	defer done()
	err = registry.New(line, registry.Options{}).Follow(reading, func(u cluster.Update) error {
		s.Apply(u)
		done()
		return reading.Err()
	})
	if s.Revision == 0 {
		return nil, fmt.Errorf("read all records: %w", err)
	}
	return &s, nil
}

// compare finds what one machine, its records and the judge do not have in common.
func (c *Cluster) compare(ctx context.Context, m *Machine, stored *cluster.Snapshot, a *Audit) error {
	orders, _ := stored.Orders(m.ID)
	report, _ := stored.Report(m.ID)
	known := c.Judge.known(m.ID)
	if known.orders.Revision != orders.Revision || known.report.Revision != report.Revision {
		a.lose("machine %s: the judge knows orders %d and report %d, the store has %d and %d",
			m.ID, known.orders.Revision, known.report.Revision, orders.Revision, report.Revision)
	}
	if report.Orders != orders.Revision && len(orders.Units) > 0 {
		a.lose("machine %s has orders %d, and reports on %d", m.ID, orders.Revision, report.Orders)
	}
	for _, name := range slices.Sorted(maps.Keys(orders.Units)) {
		if _, told := report.Units[name]; !told {
			a.lose("machine %s does not report %s", m.ID, name)
		}
	}
	states, err := m.states(ctx, slices.Sorted(maps.Keys(report.Units)))
	if err != nil {
		return fmt.Errorf("ask host %s: %w", m.ID, err)
	}
	for name, is := range states {
		said := report.Units[name].State
		said.Since, is.Since = time.Time{}, time.Time{}
		if said != is {
			a.lose("%s on %s is %s (%s), reported as %s (%s)", name, m.ID, is.Active, is.InvocationID, said.Active, said.InvocationID)
		}
	}
	return nil
}

// states are what the host itself says.
func (m *Machine) states(ctx context.Context, names []unit.Name) (map[unit.Name]unit.State, error) {
	bus := m.Host.Manager()
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- bus.Run(ctx) }()
	defer func() {
		cancel()
		<-ended
	}()
	return bus.States(ctx, names)
}

// count finds processes that were started more often than anybody has asked for, and takes the restarts
// that were carried out off asked.
func (a *Audit) count(m *Machine, asked map[unit.Name]bool) {
	lives := make(map[unit.Name]int)
	for _, r := range m.Host.Runs() {
		lives[r.Unit]++
	}
	for name, n := range lives {
		expected := 1
		if asked[name] && n > 1 {
			delete(asked, name)
			expected++
		}
		a.Restarted += n - expected
	}
}
