package schedule_test

import (
	"testing"
	"time"

	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/unit"
)

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
		s := homeless(b, snapshot, arrivals)
		tasks := s.Find(names(arrivals))
		if !s.PlaceOne(tasks[0]) { // the first of a kind has the machines sorted for all of them
			b.Fatalf("%s has no place", arrivals[0].name)
		}
		tasks = tasks[1:]
		each := make([]time.Duration, len(tasks))
		allocations := allocated(func() {
			last := time.Now()
			for i, t := range tasks {
				if !s.PlaceOne(t) {
					b.Fatalf("%s has no place", arrivals[1+i].name)
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
		s := homeless(b, snapshot, arrivals)
		tasks := s.Find(names(arrivals))
		if !s.PlaceOne(tasks[0]) { // the first of a kind has the machines sorted for all of them
			b.Fatalf("%s has no place", arrivals[0].name)
		}
		tasks = tasks[1:]
		var took time.Duration
		allocations := allocated(func() {
			began := time.Now()
			for i, t := range tasks {
				if !s.PlaceOne(t) {
					b.Fatalf("%s has no place", arrivals[1+i].name)
				}
			}
			took = time.Since(began)
		})
		reportBatch(b, len(tasks), took, allocations)
	}
}

// homeless is a brain that has heard of the units and not decided yet.
func homeless(b *testing.B, snapshot cluster.Update, arrivals []arrival) *schedule.State {
	b.Helper()
	s := elect(b, snapshot).s
	var news []cluster.Change
	for _, a := range arrivals {
		news = append(news, a.changes(2)...)
	}
	s.Apply(cluster.Update{Revision: 2, Changes: news})
	return s
}

func names(arrivals []arrival) []unit.Name {
	all := make([]unit.Name, len(arrivals))
	for i, a := range arrivals {
		all[i] = a.name
	}
	return all
}
