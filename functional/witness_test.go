//go:build functional

package functional

import (
	"context"
	"slices"
	"sync"
	"time"

	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// observed is a cluster whose hosts' systemds are listened to.
type observed struct {
	*testbed.Cluster
	witness *record.Recorder
}

func observe(c *testbed.Cluster) observed {
	o := observed{c, record.New(context.Background())}
	for _, h := range c.Hosts() {
		o.witness.Follow(h.Name, h)
	}
	return o
}

// Add makes one more host, which is listened to as the others are.
func (o observed) Add(ctx context.Context) (*testbed.Host, error) {
	h, err := o.Cluster.Add(ctx)
	if err == nil {
		o.witness.Follow(h.Name, h)
	}
	return h, err
}

// permits are what a test says may happen on its cluster.
type permits struct {
	mu       sync.Mutex
	twice    map[unit.Name]bool // plain units of which two copies may run
	anyTwice bool
	broken   map[unit.Name]bool // AtMostOnce units whose guarantee the test has broken on purpose
}

// mayRunTwice says that two copies of plain units may run, for a reason: of these units, or of all. Without it, no
// test may see two copies of anything.
func (w *world) mayRunTwice(_ string, names ...unit.Name) {
	p := w.permits
	p.mu.Lock()
	defer p.mu.Unlock()
	p.anyTwice = p.anyTwice || len(names) == 0
	for _, name := range names {
		p.twice[name] = true
	}
}

func (p *permits) permit(r record.Run) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Kind == record.AtMostOnce {
		return p.broken[r.Unit]
	}
	return p.anyTwice || p.twice[r.Unit]
}

// runsSince returns what systemd has told of all hosts since then, or since the test began.
func (w *world) runsSince(since record.Moment) []record.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := w.witness.Flush(ctx); err != nil {
		w.t.Logf("the record may end early: %v", err)
	}
	return w.witness.Runs(max(since, w.start))
}

// judge is what every test ends with: no two copies of what may run once, and of nothing else unless the test
// has said why.
func (w *world) judge() {
	w.t.Helper()
	runs := w.runsSince(0)
	for _, o := range record.Overlaps(runs, w.witness.Pauses(), record.Now()) {
		if w.permits.permit(o.Second) {
			w.t.Logf("permitted: %s", o)
			continue
		}
		w.t.Error(o)
	}
	if gaps := record.Gaps(runs); len(gaps) > 0 {
		w.t.Logf("%d runs, %d gaps; the longest: %s", len(runs), len(gaps), gaps[0])
	}
}

// freeze stops every process of a host, its PID 1 included.
func (w *world) freeze(h *testbed.Host) {
	w.t.Helper()
	if err := h.Freeze(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.witness.Paused(h.Name, true, record.Now())
}

// thaw ends a freeze.
func (w *world) thaw(h *testbed.Host) {
	w.t.Helper()
	w.witness.Paused(h.Name, false, record.Now())
	if err := h.Thaw(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) pauseFleetd(h *testbed.Host) {
	w.t.Helper()
	if err := h.PauseFleetd(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

// pauseWithoutFence pauses a fleetd whose machine's lease nobody else renews: fleetd would start the fence again.
func (w *world) pauseWithoutFence(h *testbed.Host) {
	w.t.Helper()
	w.pauseFleetd(h)
	w.exec(h, "systemctl", "stop", fenceService)
}

func (w *world) resumeFleetd(h *testbed.Host) {
	w.t.Helper()
	if err := h.ResumeFleetd(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
}

// mayBreak says that what keeps an AtMostOnce unit from running twice does not hold here, for a reason.
func (w *world) mayBreak(_ string, names ...unit.Name) {
	p := w.permits
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range names {
		p.broken[name] = true
	}
}

// overlaps are the times in which two copies of one of the units ran.
func (w *world) overlaps(names ...unit.Name) []record.Overlap {
	w.t.Helper()
	all := record.Overlaps(w.runsSince(0), w.witness.Pauses(), record.Now())
	return slices.DeleteFunc(all, func(o record.Overlap) bool { return !slices.Contains(names, o.First.Unit) })
}

// longestGap is the longest time in which the unit ran nowhere, between two runs since then.
func (w *world) longestGap(name unit.Name, since record.Moment) time.Duration {
	w.t.Helper()
	for _, g := range record.Gaps(w.runsSince(since)) {
		if g.Unit == name && g.To >= since {
			return g.Length()
		}
	}
	return 0
}

// latestRun is the last that was seen of a unit.
func (w *world) latestRun(name unit.Name) record.Run {
	w.t.Helper()
	runs := slices.DeleteFunc(w.runsSince(0), func(r record.Run) bool { return r.Unit != name })
	if len(runs) == 0 {
		w.t.Fatalf("%s was never seen to run", name)
	}
	return runs[len(runs)-1]
}
