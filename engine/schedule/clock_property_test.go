package schedule

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestClocksThatJump is TestHistories with a clock that is set, by hours, ahead and back, or that the next leader has: that alone
// stops nothing, and when the clock is right again whatever waits for a time has waited within a quarter of an hour.
func TestClocksThatJump(t *testing.T) {
	someSeeds(t, 4, func(t *rapid.T) {
		w := newWorld(t)
		w.options.LossLimit = rapid.SampledFrom([]int{50, 100}).Draw(t, "limit")
		w.elect()
		c := &clock{world: w}
		for range 3 {
			w.joinSome(t)
			c.submit(t)
		}
		w.rest()
		t.Repeat(map[string]func(*rapid.T){
			"join":   w.joinSome,
			"join2":  w.joinSome,
			"lose":   w.loseSome,
			"ack":    w.acknowledgeSome,
			"drain":  w.drainSome,
			"submit": c.submit,
			"fail":   w.failSome,
			"fail2":  w.failSome,
			"wait":   w.waitSome,
			"decide": func(*rapid.T) { w.decide() },
			"obey":   c.obeyAll,
			"elect":  c.elect,
			"jump":   c.jumpSome,
			"jump2":  c.jumpSome,
		})
		c.jump(-c.off)
		c.letPass(15 * time.Minute)
		if w.holds() { // as it may for ever
			w.acknowledge()
			c.letPass(15 * time.Minute)
		}
		revision := w.revision
		w.rest()
		if w.revision != revision {
			t.Fatalf("a quarter of an hour after the clock was set right there was something left to do\n%s%s", w.show(), w.showAbsences())
		}
	})
}

// clock is the engine's, and by how much it is ahead.
type clock struct {
	*world
	off time.Duration
}

func (c *clock) submit(t *rapid.T) {
	text := "[Service]\nExecStart=/bin/true\n[X-Fleet]\n" +
		rapid.SampledFrom([]string{"", "ReplaceAfter=20\n", "ReplaceAfter=300\n", "OnLost=wait\n", "AtMostOnce=yes\n"}).Draw(t, "lost") +
		rapid.SampledFrom([]string{"", "Reschedule=on-failure\n"}).Draw(t, "failed")
	if err := c.world.submit(rapid.SampledFrom(someUnits).Draw(t, "unit"), cluster.Launched, text); err != nil {
		t.Fatal(err)
	}
}

func (c *clock) obeyAll(*rapid.T) {
	for _, h := range c.present() {
		c.obey(h, nil)
	}
}

func (c *clock) elect(t *rapid.T) {
	c.decide()
	c.world.elect()
	c.brakeUntil(c.now.Add(time.Duration(rapid.SampledFrom([]int{0, 5}).Draw(t, "patience")) * time.Second))
}

// letPass lets everybody act for as long as that, or until nothing is to come within it.
func (c *clock) letPass(span time.Duration) {
	for end := c.now.Add(span); c.now.Before(end); {
		revision := c.revision
		c.decideAndCheck()
		for _, h := range c.present() {
			c.obey(h, nil)
		}
		if c.revision != revision {
			continue
		}
		again := c.state.Again()
		if again.IsZero() || again.After(end) {
			return
		}
		if again.After(c.now) {
			c.now = again
		}
	}
}

// jumpSome has the clock be set when all that was to be done is done.
func (c *clock) jumpSome(t *rapid.T) {
	by := time.Duration(rapid.SampledFrom([]int{-30, -5, -1, 1, 5, 30}).Draw(t, "hours")) * time.Hour
	for range 10 {
		if len(c.decide()) == 0 {
			break
		}
		c.obeyAll(t)
	}
	before := make(map[cluster.MachineID]map[unit.Name]cluster.Order)
	for _, h := range c.present() {
		before[h.id] = c.live(h)
	}
	c.jump(by)
	c.decide()
	for _, h := range c.present() {
		for name := range before[h.id] {
			if _, still := c.live(h)[name]; !still {
				t.Fatalf("%s leaves %s because the clock was set by %s\n%s", name, h.id, by, c.show())
			}
		}
	}
}

// jump sets the clock. Patience is told anew at every round, and goes by what has passed.
func (c *clock) jump(by time.Duration) {
	c.off += by
	c.now = c.now.Add(by)
	if c.state.patient() {
		c.brakeUntil(c.patience.Add(by))
		return
	}
	c.patience = time.Time{}
}
