package agent_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"fleet/agent"
	"fleet/cluster"
	"fleet/unit"
)

// crowd is a systemd with many units that run, of which one is rung about.
type crowd struct {
	files  map[unit.Name]unit.ContentID
	states map[unit.Name]unit.State
	rung   chan unit.Name

	mu   sync.Mutex
	read int // states read
}

func newCrowd(n int) *crowd {
	c := &crowd{
		files: map[unit.Name]unit.ContentID{}, states: map[unit.Name]unit.State{}, rung: make(chan unit.Name),
	}
	for i := range n {
		name := unit.Name(fmt.Sprintf("web@%d.service", i))
		c.files[name] = unit.IDOf([]byte(sleeper))
		c.states[name] = unit.State{Load: "loaded", Active: "active", Sub: "running", InvocationID: fmt.Sprintf("%032x", i)}
	}
	return c
}

func (c *crowd) Files(context.Context) (map[unit.Name]unit.ContentID, error) { return c.files, nil }

func (c *crowd) States(_ context.Context, names []unit.Name) (map[unit.Name]unit.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read += len(names)
	states := make(map[unit.Name]unit.State, len(names))
	for _, name := range names {
		states[name] = c.states[name]
	}
	return states, nil
}

func (c *crowd) Wait(ctx context.Context) (names []unit.Name, all bool, err error) {
	select {
	case name := <-c.rung:
		return []unit.Name{name}, false, nil
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
}

func (c *crowd) Load(context.Context, map[unit.Name][]byte) (map[unit.Name]error, error) {
	return nil, nil
}

func (c *crowd) Unload(context.Context, []unit.Name) (map[unit.Name]error, error) { return nil, nil }

func (c *crowd) Start(context.Context, unit.Name) (unit.JobResult, error) { return unit.JobDone, nil }

func (c *crowd) Stop(context.Context, unit.Name) (unit.JobResult, error) { return unit.JobDone, nil }

func (c *crowd) Restart(context.Context, unit.Name) (unit.JobResult, error) { return unit.JobDone, nil }

func (c *crowd) Permit(context.Context, unit.Name, string, int64) error { return nil }

func (c *crowd) Logs(context.Context, unit.Name, int) ([]string, error) { return nil, nil }

// watch is a session that passes on what reports say of one unit.
type watch struct {
	*session
	name unit.Name
	seen chan string
}

func (w *watch) Report(_ context.Context, r cluster.Report) error {
	w.seen <- r.Units[w.name].Sub
	return nil
}

// BenchmarkOneOfAThousandFlaps measures the way from a signal about one unit to
// the report of it, on a machine with 1,000 units, less the pause between reports.
func BenchmarkOneOfAThousandFlaps(b *testing.B) {
	const name = unit.Name("web@7.service")
	c := newCrowd(1000)
	a, err := agent.New(c, agent.Options{Machine: "m1"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	s := &watch{session: newSession(1), name: name, seen: make(chan string, 1000)}
	s.edit(func(units map[unit.Name]cluster.Order) {
		for name, id := range c.files {
			units[name] = cluster.Order{Content: id, Desired: cluster.Launched, Generation: 5}
		}
	})
	var wg sync.WaitGroup
	wg.Go(func() { _ = a.Run(ctx) })
	wg.Go(func() { _ = a.Serve(ctx, s) })
	defer wg.Wait()
	defer cancel()
	time.Sleep(200 * time.Millisecond) // the first reports
	c.mu.Lock()
	c.read = 0
	c.mu.Unlock()
	for len(s.seen) > 0 {
		<-s.seen
	}
	i := 0
	for b.Loop() {
		i++
		sub := fmt.Sprint(i)
		c.mu.Lock()
		state := c.states[name]
		state.Sub = sub
		c.states[name] = state
		c.mu.Unlock()
		c.rung <- name
		for <-s.seen != sub {
		}
		b.StopTimer()
		time.Sleep(55 * time.Millisecond) // the pause that coalesces reports
		b.StartTimer()
	}
	b.ReportMetric(float64(c.read)/float64(i), "states/op")
}
