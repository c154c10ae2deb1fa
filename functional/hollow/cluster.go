package hollow

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// Options are of what sort a cluster is.
type Options struct {
	Machines int
	Units    int // for each machine
	Mortal   int // how many machines, from the first on, are going to be lost; not all
	AtOnce   int // how many fleetds are started at a time; 0: 32

	TTL  time.Duration
	Dial Dial
	Dir  string // where fleetds keep their state files
}

// brain has engines give all machines about as many units.
var brain = schedule.Options{Strategy: unit.SpreadEvenly}

// Cluster is many hollow machines, a server of the API, and what is known of all of them.
type Cluster struct {
	Judge   *Judge
	Trouble Trouble

	o        Options
	machines []*Machine
	front    *front
	close    []func() error
}

// Start has the machines join, and returns when all of them are there and the first of them leads.
func Start(ctx context.Context, o Options) (*Cluster, error) {
	if o.AtOnce == 0 {
		o.AtOnce = 32
	}
	if o.Mortal >= o.Machines {
		return nil, fmt.Errorf("%d of %d machines cannot be lost: somebody has to lead", o.Mortal, o.Machines)
	}
	c := &Cluster{o: o}
	if err := c.begin(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Cluster) begin(ctx context.Context) error {
	if err := c.look(ctx); err != nil {
		return err
	}
	for i := range c.o.Machines {
		m, err := c.machine(i)
		if err != nil {
			return err
		}
		c.machines = append(c.machines, m)
	}
	// The first is to lead, and the last, which nothing befalls, is to follow it.
	first, last, rest := c.machines[0], c.machines[c.o.Machines-1], c.machines[1:max(1, c.o.Machines-1)]
	if err := first.start(ctx); err != nil {
		return err
	}
	if err := c.Judge.Await(ctx, func(v View) bool { return v.Leader == first.ID }); err != nil {
		return err
	}
	if last != first {
		if err := last.start(ctx); err != nil {
			return err
		}
	}
	if err := c.each(ctx, rest, func(ctx context.Context, m *Machine) error { return m.start(ctx) }); err != nil {
		return err
	}
	return c.Judge.Await(ctx, func(v View) bool { return v.Machines == c.o.Machines && v.Reports == c.o.Machines })
}

// look begins to follow what the store says.
func (c *Cluster) look(ctx context.Context) error {
	line, err := c.o.Dial(ctx, false)
	if err != nil {
		return fmt.Errorf("connect the judge: %w", err)
	}
	c.Judge = newJudge(line)
	c.close = append(c.close, line.Close, c.Judge.close)
	if line, err = c.o.Dial(ctx, false); err != nil {
		return fmt.Errorf("connect the server of the API: %w", err)
	}
	c.close = append(c.close, line.Close)
	if c.front, err = newFront(ctx, line); err != nil {
		return err
	}
	c.close = append(c.close, c.front.close)
	return nil
}

func (c *Cluster) machine(i int) (*Machine, error) {
	id := cluster.MachineID(fmt.Sprintf("%032x", i+1))
	dir := filepath.Join(c.o.Dir, string(id[24:]))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a hollow machine: %w", err)
	}
	return &Machine{
		ID: id, Host: systemdtest.NewHost(), o: &c.o, dir: dir, mortal: i < c.o.Mortal,
		log: c.Trouble.logger(id), trouble: &c.Trouble,
	}, nil
}

// each does something to machines, several at a time.
func (c *Cluster) each(ctx context.Context, machines []*Machine, do func(context.Context, *Machine) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.o.AtOnce)
	for _, m := range machines {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return do(ctx, m)
		})
	}
	return g.Wait()
}

// Close ends everything.
func (c *Cluster) Close() error {
	var errs []error
	_ = c.each(context.Background(), c.machines, func(_ context.Context, m *Machine) error {
		if m.lost {
			<-m.fleetd.ended
		}
		return m.stop()
	})
	for i := range c.close {
		errs = append(errs, c.close[len(c.close)-1-i]())
	}
	return errors.Join(errs...)
}

// total is how many units there are when all are submitted.
func (c *Cluster) total() int { return c.o.Machines * c.o.Units }

// capacity of each machine has room for a quarter more units than it is to have, and for some more.
func (o *Options) capacity() cluster.Capacity {
	room := int64(o.Units + o.Units/4 + 10)
	return cluster.Capacity{
		MaxUnits:       2 * int(room),
		Resources:      unit.Resources{Memory: room * unitMemory, CPU: room * unitCPU},
		PhysicalMemory: room * unitMemory,
	}
}

// alive are the machines that are not lost.
func (c *Cluster) alive() []*Machine {
	var all []*Machine
	for _, m := range c.machines {
		if !m.lost {
			all = append(all, m)
		}
	}
	return all
}

// Load submits all units, to be launched, and returns when the store has their records.
func (c *Cluster) Load(ctx context.Context) error {
	names := make([]unit.Name, c.total())
	for i := range names {
		names[i] = UnitName(i)
	}
	return c.front.submit(ctx, names)
}

// Client is a user of the API.
func (c *Cluster) Client() *api.Client { return c.front.client }

// Kill kills the process of a unit, wherever that runs.
func (c *Cluster) Kill(name unit.Name) error {
	for _, m := range c.alive() {
		if slices.Contains(m.Host.Running(), name) {
			return m.Host.Kill(name)
		}
	}
	return fmt.Errorf("kill unit %s: it runs nowhere", name)
}

// Refused is how many changes the user had to ask for again, because the store did not answer in time.
func (c *Cluster) Refused() int { return int(c.front.refused.Load()) }

// AwaitAll returns when every unit that was submitted is reported active by a machine that is there, all
// machines have reported on their newest orders, and those that were lost are gone.
func (c *Cluster) AwaitAll(ctx context.Context, submitted int) error {
	there := len(c.alive())
	return c.Judge.Await(ctx, func(v View) bool {
		return v.Machines == there && v.Active == submitted && v.Ordered == submitted && v.Behind == 0
	})
}

// Lose takes the power from mortal machines, all at once.
func (c *Cluster) Lose(machines []*Machine) {
	for _, m := range machines {
		m.lose()
	}
}

// Doomed returns the next n mortal machines that are not lost yet.
func (c *Cluster) Doomed(n int) []*Machine {
	var next []*Machine
	for _, m := range c.machines {
		if m.mortal && !m.lost && len(next) < n {
			next = append(next, m)
		}
	}
	return next
}

// Probe submits one more unit.
func (c *Cluster) Probe(ctx context.Context, name unit.Name) error {
	return c.front.submit(ctx, []unit.Name{name})
}

// Roll restarts the fleetd of every machine that is there, some at a time, while somebody restarts units.
// It returns when all fleetds are back.
func (c *Cluster) Roll(ctx context.Context, restart []unit.Name) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.front.restart(ctx, restart) })
	g.Go(func() error {
		return c.each(ctx, c.alive(), func(ctx context.Context, m *Machine) error {
			if err := m.stop(); err != nil {
				return err
			}
			return m.start(ctx)
		})
	})
	return g.Wait()
}

// AwaitRestarted returns when units that somebody has asked to restart have been, as reported. They were never
// restarted before.
func (c *Cluster) AwaitRestarted(ctx context.Context, names []unit.Name) error {
	for !c.Judge.restarted(names) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d restarts: %w", len(names), context.Cause(ctx))
		case <-time.After(50 * time.Millisecond): // to look is not cheap
		}
	}
	return nil
}
