package agent_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// TestAfterAnyFaultsTheHostIsAsOrdered lets random things happen to a machine:
// orders, kills of the agent, sessions that end, a bus, a disk and a store that
// come and go. When all is well again the host is as it was ordered to be, and
// units that nobody asked to change have lived on through all of it.
func TestAfterAnyFaultsTheHostIsAsOrdered(t *testing.T) {
	seeds := 30
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			play(t, func(t *testing.T, m *machine, s *session) {
				c := chaos{m: m, s: s, rng: rand.New(rand.NewPCG(uint64(seed), 1)), generation: 10}
				s.order("steady.service", sleeper, cluster.Launched, 5)
				settle()
				for range 150 {
					c.event()
					time.Sleep(time.Duration(c.rng.Int64N(int64(3 * time.Second))))
				}
				c.heal()
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				c.check(t)
			})
		})
	}
}

type chaos struct {
	m          *machine
	s          *session
	rng        *rand.Rand
	generation int64
}

var chaosTexts = []string{sleeper, slow, sturdy, "# another\n" + sleeper}

func (c *chaos) event() {
	name := unit.Name(fmt.Sprintf("w%d.service", c.rng.IntN(5)))
	text := chaosTexts[c.rng.IntN(len(chaosTexts))]
	c.generation++
	switch c.rng.IntN(14) {
	case 0, 1, 2:
		c.s.order(name, text, cluster.Launched, c.generation)
	case 3:
		c.s.order(name, text, cluster.Loaded, c.generation)
	case 4, 5:
		c.s.drop(name)
	case 6:
		c.s.restart(name, text, cluster.Launched, c.generation, c.generation)
	case 7:
		c.m.kill()
		c.m.boot()
		c.begin()
	case 8:
		_ = c.m.endSession()
		c.begin()
	case 9:
		c.m.host.CutBus()
	case 10:
		c.m.host.HealBus()
	case 11:
		c.m.host.FillDisk(c.rng.IntN(2) == 0)
	case 12:
		c.s.onFile(func(ctx context.Context, _ unit.ContentID) error { <-ctx.Done(); return ctx.Err() })
		c.s.onReport(func() error { return errors.New("no answer") })
	case 13:
		c.s.onFile(nil)
		c.s.onReport(nil)
	}
}

// begin begins a new session, in which the engine keeps all as it was.
func (c *chaos) begin() {
	_ = c.m.endSession()
	next := newSession(c.s.id.Lease + 1)
	next.inherit(c.s)
	c.s = next
	c.m.serve(next)
}

func (c *chaos) heal() {
	c.m.host.HealBus()
	c.m.host.FillDisk(false)
	c.s.onFile(nil)
	c.s.onReport(nil)
}

func (c *chaos) check(t *testing.T) {
	c.s.mu.Lock()
	orders := c.s.orders
	c.s.mu.Unlock()
	var want []unit.Name
	for _, name := range slices.Sorted(maps.Keys(orders.Units)) {
		if orders.Units[name].Desired == cluster.Launched {
			want = append(want, name)
		}
	}
	if got := c.m.host.Running(); !slices.Equal(got, want) {
		t.Errorf("running %v, ordered %v", got, want)
	}
	r := c.s.last()
	if r.Orders != orders.Revision || len(r.Units) != len(orders.Units) {
		t.Errorf("acknowledged %d of %d, %d units of %d", r.Orders, orders.Revision, len(r.Units), len(orders.Units))
	}
	for name, o := range orders.Units {
		u := r.Units[name]
		if u.Generation != o.Generation || u.Content != o.Content || u.Error != "" {
			t.Errorf("%s: ordered %+v, reported %+v", name, o, u)
		}
	}
	runs := c.m.host.Runs()
	for i, run := range runs {
		if o := orders.Units[run.Unit]; run.End.IsZero() && run.Content != o.Content {
			t.Errorf("%s runs from another content", run.Unit)
		}
		for _, other := range runs[:i] {
			if other.Unit == run.Unit && (other.End.IsZero() || other.End.After(run.Start)) {
				t.Errorf("two lives of %s at one time", run.Unit)
			}
		}
	}
	if n := lives(c.m.host, "steady.service"); n != 1 {
		t.Errorf("steady.service had %d lives", n)
	}
}
