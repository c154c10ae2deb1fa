package schedule

import (
	"testing"
	"time"

	"fleet/cluster"
)

// placeOne is the decision loop for one unit: it chooses a machine and accounts for it,
// and makes no records.
func (s *State) placeOne(t *task) bool {
	g := s.groupOf(t)
	c := s.choose(g)
	if c.machine == nil {
		return false
	}
	s.settle(g, c)
	s.homeless.drop(t)
	return true
}

// BenchmarkPlace is the decision loop alone: what the brain does to find a
// machine, without the records that it reads and makes.
func BenchmarkPlace(b *testing.B) {
	for _, s := range scales() {
		snapshot := s.snapshot(b)
		for _, k := range kinds(s) {
			b.Run(s.String()+"/"+k.name, func(b *testing.B) { placeOneByOne(b, snapshot, k.arrivals(b, s)) })
		}
		b.Run(s.String()+"/batch", func(b *testing.B) { placeBatch(b, snapshot, batch(b, s)) })
	}
}

func placeOneByOne(b *testing.B, snapshot cluster.Update, arrivals []arrival) {
	for b.Loop() {
		s, tasks := homeless(b, snapshot, arrivals)
		each := make([]time.Duration, len(tasks))
		allocations := allocated(func() {
			last := time.Now()
			for i, t := range tasks {
				if !s.placeOne(t) {
					b.Fatalf("%s has no place", t.name)
				}
				now := time.Now()
				each[i], last = now.Sub(last), now
			}
		})
		report(b, each)
		b.ReportMetric(float64(allocations)/float64(len(each)), "allocs/placement")
	}
}

// placeBatch does not look at the clock in between, which would take longer than a placement.
func placeBatch(b *testing.B, snapshot cluster.Update, arrivals []arrival) {
	for b.Loop() {
		s, tasks := homeless(b, snapshot, arrivals)
		var took time.Duration
		allocations := allocated(func() {
			began := time.Now()
			for _, t := range tasks {
				if !s.placeOne(t) {
					b.Fatalf("%s has no place", t.name)
				}
			}
			took = time.Since(began)
		})
		reportBatch(b, len(tasks), took, allocations)
	}
}

// homeless is a brain that has heard of the units and not decided yet.
func homeless(b *testing.B, snapshot cluster.Update, arrivals []arrival) (*State, []*task) {
	b.Helper()
	s := elect(b, snapshot).s
	var news []cluster.Change
	for _, a := range arrivals {
		news = append(news, a.changes(2)...)
	}
	s.Apply(cluster.Update{Revision: 2, Changes: news})
	tasks := make([]*task, len(arrivals))
	for i, a := range arrivals {
		tasks[i] = s.tasks[a.name]
	}
	return s, tasks
}
