package schedule_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// The benchmarks of this package are meant to be run once each (-benchtime 1x): a run is
// thousands of decisions, which it times itself. scripts/bench schedule makes the table.

// kind is units that come with the same rules.
type kind struct {
	name  string
	rules func(file int) string                   // in [X-Fleet], beside what they reserve
	unit  func(i int, files []*unit.File) arrival // the i-th
}

func kinds(s scale) []kind {
	single := func(i int, files []*unit.File) arrival {
		return arrival{unit.Name(fmt.Sprintf("new-%d.service", i)), files[i%len(files)]}
	}
	// As many templates as there are files: the instances of one have one file.
	instance := func(i int, files []*unit.File) arrival {
		return arrival{unit.Name(fmt.Sprintf("new%d@%d.service", i%len(files), i)), files[i%len(files)]}
	}
	// So many groups of rivals that no group has more than half as many units as there are machines.
	groups := 1 + 2*s.arrivals()/s.machines
	rival := func(i int, files []*unit.File) arrival {
		return arrival{unit.Name(fmt.Sprintf("new-%d-%d.service", i%groups, i)), files[i%groups%len(files)]}
	}
	all := func(rule string) func(int) string { return func(int) string { return rule + "\n" } }
	return []kind{
		{"one-by-one", noRules, single},
		{"metadata", all("MachineMetadata=half=1"), single},
		{"prefer", all("PreferMetadata=half=1"), single},
		{"spread", all("Spread=zone"), instance},
		{"emptiest", all("Strategy=spread"), single},
		{"conflicts", func(file int) string { return fmt.Sprintf("Conflicts=new-%d-*.service\n", file) }, rival},
	}
}

// arrivals are the units of the kind that come to a cluster of that scale.
func (k kind) arrivals(b *testing.B, s scale) []arrival {
	b.Helper()
	files := s.files(b, 2, k.rules)
	all := make([]arrival, s.arrivals())
	for i := range all {
		all[i] = k.unit(i, files)
	}
	return all
}

// BenchmarkDecide is the whole brain, from the watch's news to the decision's confirmation, with
// the records that are written.
func BenchmarkDecide(b *testing.B) {
	for _, s := range scales() {
		snapshot := s.snapshot(b)
		for _, k := range kinds(s) {
			b.Run(s.String()+"/"+k.name, func(b *testing.B) { decideOneByOne(b, snapshot, k.arrivals(b, s)) })
		}
		b.Run(s.String()+"/batch", func(b *testing.B) { decideBatch(b, snapshot, batch(b, s)) })
		b.Run(s.String()+"/churn", func(b *testing.B) { decideChurn(b, s, snapshot) })
		b.Run(s.String()+"/pending", func(b *testing.B) { decidePending(b, s, snapshot) })
		b.Run(s.String()+"/lost-rack", func(b *testing.B) { decideLostRack(b, s, snapshot) })
	}
}

func decideOneByOne(b *testing.B, snapshot cluster.Update, arrivals []arrival) {
	for b.Loop() {
		l := elect(b, snapshot)
		news := make([][]cluster.Change, len(arrivals))
		for i, a := range arrivals {
			news[i] = a.changes(int64(2 + i))
		}
		each := make([]time.Duration, len(news))
		allocations := allocated(func() {
			for i, n := range news {
				each[i] = l.tell(n)
				l.mustPlace(1)
			}
		})
		report(b, each)
		b.ReportMetric(float64(allocations)/float64(len(each)), "allocs/placement")
	}
}

// decideBatch: all in one breath.
func decideBatch(b *testing.B, snapshot cluster.Update, arrivals []arrival) {
	var news []cluster.Change
	for _, a := range arrivals {
		news = append(news, a.changes(2)...)
	}
	for b.Loop() {
		l := elect(b, snapshot)
		var took time.Duration
		allocations := allocated(func() { took = l.tell(news) })
		l.mustPlace(len(arrivals))
		reportBatch(b, len(arrivals), took, allocations)
	}
}

// batch is as many instances of one template as come to a cluster of that scale.
func batch(b *testing.B, s scale) []arrival {
	b.Helper()
	f := s.files(b, 2, noRules)[0]
	all := make([]arrival, s.arrivals())
	for i := range all {
		all[i] = arrival{unit.Name(fmt.Sprintf("new@%d.service", i)), f}
	}
	return all
}

func reportBatch(b *testing.B, n int, took time.Duration, allocations uint64) {
	b.Helper()
	b.ReportMetric(float64(n)/took.Seconds(), "placements/s")
	b.ReportMetric(float64(allocations)/float64(n), "allocs/placement")
	b.ReportMetric(0, "ns/op")
}

// decideChurn: a unit goes, its machine says that it is gone, another comes.
func decideChurn(b *testing.B, s scale, snapshot cluster.Update) {
	for b.Loop() {
		l := elect(b, snapshot)
		report(b, l.churn(s, 0))
	}
}

// churn is how long each of the cycles took. Units are removed from the from-th on.
func (l *leader) churn(s scale, from int) []time.Duration {
	l.b.Helper()
	files := s.files(l.b, 3, noRules)
	each := make([]time.Duration, min(2000, s.arrivals()/2))
	runtime.GC()
	for i := range each {
		l.took = 0
		// A step that has no divisor in common with the number of units comes by all machines.
		l.tell([]cluster.Change{cluster.UnitChanged{Name: oldName((from + i) * 7919 % s.units())}})
		l.obey()
		l.tell(arrival{unit.Name(fmt.Sprintf("new-%d.service", from+i)), files[i%len(files)]}.changes(l.revision))
		l.mustPlace(1)
		each[i] = l.took
	}
	return each
}

// decidePending: the same, while units wait for more room than any machine has left.
func decidePending(b *testing.B, s scale, snapshot cluster.Update) {
	const waiting = 10_000
	for b.Loop() {
		l := elect(b, snapshot)
		cycles := len(l.churn(s, 0)) // the first ones are slower
		alone := sum(l.churn(s, cycles))
		var news []cluster.Change
		for i := range waiting {
			f := parsed(b, fmt.Sprintf("[Service]\nMemoryMax=%dM\n", machineMemory>>20-1024-i%variety))
			news = append(news, arrival{unit.Name(fmt.Sprintf("waiting-%d.service", i)), f}.changes(l.revision)...)
		}
		refusal := l.tell(news)
		l.mustPlace(0)
		each := l.churn(s, 2*cycles)
		b.ReportMetric(float64(refusal.Microseconds())/waiting, "refusal-µs")
		b.ReportMetric(sum(each).Seconds()/alone.Seconds(), "slowdown")
		report(b, each)
	}
}

// decideLostRack: one machine in a hundred goes, all at once.
func decideLostRack(b *testing.B, s scale, snapshot cluster.Update) {
	for b.Loop() {
		l := elect(b, snapshot)
		rack := s.machines / 100
		var news []cluster.Change
		for i := range rack {
			news = append(news, cluster.MachineChanged{ID: benchID(i)}, cluster.ReportChanged{ID: benchID(i)})
		}
		runtime.GC()
		took := l.tell(news)
		l.mustPlace(rack * s.each)
		b.ReportMetric(float64(rack*s.each)/took.Seconds(), "placements/s")
		b.ReportMetric(float64(took.Microseconds())/1000, "total-ms")
		b.ReportMetric(0, "ns/op")
	}
}

// BenchmarkLeader is a new leader's first look at a cluster in which all is well.
func BenchmarkLeader(b *testing.B) {
	for _, s := range scales() {
		snapshot := s.snapshot(b)
		b.Run(s.String(), func(b *testing.B) {
			for b.Loop() {
				runtime.GC()
				b.ReportMetric(elect(b, snapshot).took.Seconds(), "start-s")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// BenchmarkMemory is what a brain keeps, with the records that it keeps hold of.
func BenchmarkMemory(b *testing.B) {
	for _, s := range scales() {
		b.Run(s.String(), func(b *testing.B) {
			for b.Loop() {
				machines := kept(b, scale{s.machines, 0})
				all := kept(b, s)
				b.ReportMetric(float64(machines)/float64(s.machines), "B/machine")
				b.ReportMetric(float64(all-machines)/float64(s.units()), "B/unit")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

// kept is how many bytes stay after a brain has seen the cluster.
func kept(b *testing.B, s scale) int64 {
	b.Helper()
	before := heap()
	l := elect(b, s.snapshot(b))
	after := heap()
	runtime.KeepAlive(l)
	return after - before
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what finalizers kept
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// allocated counts the allocations of a call.
func allocated(call func()) uint64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

func sum(all []time.Duration) time.Duration {
	var total time.Duration
	for _, d := range all {
		total += d
	}
	return total
}

// report tells of placements that took so long each.
func report(b *testing.B, each []time.Duration) {
	b.ReportMetric(float64(len(each))/sum(each).Seconds(), "placements/s")
	b.ReportMetric(p99(each), "p99-µs")
	b.ReportMetric(0, "ns/op")
}
