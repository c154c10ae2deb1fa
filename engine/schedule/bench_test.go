package schedule

import (
	"fmt"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// filled is the store of a cluster in which every machine has some units, none of them with rules.
func filled(b *testing.B, machines, units int) cluster.Update {
	b.Helper()
	f := parsed(b, "")
	u := cluster.Update{Reset: true, Revision: 1, Changes: []cluster.Change{cluster.FileChanged{ID: f.ID(), File: f, Revision: 1}}}
	for i := range machines {
		id := cluster.MachineID(fmt.Sprintf("%08x", i))
		m := &cluster.Machine{ID: id, Session: cluster.Session{Lease: 1}, Metadata: map[string]string{"half": fmt.Sprint(i % 2)}}
		orders := &cluster.Orders{Machine: id, Session: m.Session, Revision: 1, Units: map[unit.Name]cluster.Order{}}
		report := &cluster.Report{Machine: id, Session: m.Session, Orders: 1, Revision: 1, Units: map[unit.Name]cluster.UnitReport{}}
		for n := i; n < units; n += machines {
			name := unit.Name(fmt.Sprintf("unit-%d.service", n))
			record := &cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Launched, Generation: 1, Revision: 1}
			orders.Units[name] = cluster.Order{Content: f.ID(), Desired: cluster.Launched, Generation: 1, Reason: "least units"}
			report.Units[name] = cluster.UnitReport{Content: f.ID(), Generation: 1, Tried: 1}
			u.Changes = append(u.Changes, cluster.UnitChanged{Name: name, Unit: record})
		}
		u.Changes = append(u.Changes, cluster.MachineChanged{ID: id, Machine: m}, cluster.OrdersChanged{ID: id, Orders: orders},
			cluster.ReportChanged{ID: id, Report: report})
	}
	return u
}

func parsed(b *testing.B, rules string) *unit.File {
	b.Helper()
	f, err := unit.Parse([]byte("[Service]\nExecStart=/bin/true\n[X-Fleet]\n" + rules))
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// BenchmarkSubmit is one more unit, from the watch's news to the decision's confirmation.
func BenchmarkSubmit(b *testing.B) {
	for _, size := range []struct{ machines, units int }{{1000, 100_000}, {10_000, 1_000_000}} {
		for _, c := range []struct{ name, rules string }{
			{"plain", ""},
			{"metadata", "MachineMetadata=half=1\n"},
			{"conflicts", "Conflicts=new-*.service\n"},
			{"follower", "MachineOf=unit-0.service\n"},
			{"nowhere", "MachineMetadata=half=2\n"},
		} {
			b.Run(fmt.Sprintf("machines=%d/units=%d/%s", size.machines, size.units, c.name), func(b *testing.B) {
				s := New()
				s.Apply(filled(b, size.machines, size.units))
				if steps := s.Decide(time.Time{}); len(steps) > 0 {
					b.Fatalf("not settled: %v", steps[0].Notes)
				}
				f := parsed(b, c.rules)
				revision := int64(1)
				for b.Loop() {
					revision++
					name := unit.Name(fmt.Sprintf("new-%d.service", revision))
					record := &cluster.Unit{Name: name, Content: f.ID(), Desired: cluster.Launched, Generation: revision, Revision: revision}
					s.Apply(cluster.Update{Revision: revision, Changes: []cluster.Change{
						cluster.FileChanged{ID: f.ID(), File: f, Revision: revision}, cluster.UnitChanged{Name: name, Unit: record},
					}})
					steps := s.Decide(time.Time{})
					if len(steps) != 1 {
						b.Fatalf("%d steps", len(steps))
					}
					revision++
					s.Committed(steps[0], revision)
				}
			})
		}
	}
}

// BenchmarkFill places 100,000 units on 1,000 empty machines.
func BenchmarkFill(b *testing.B) {
	snapshot := filled(b, 1000, 100_000)
	for i, c := range snapshot.Changes {
		switch c := c.(type) {
		case cluster.OrdersChanged:
			snapshot.Changes[i] = cluster.LeaderChanged{}
		case cluster.ReportChanged:
			snapshot.Changes[i] = cluster.ReportChanged{ID: c.ID, Report: &cluster.Report{Machine: c.ID, Session: c.Report.Session}}
		}
	}
	for b.Loop() {
		s := New()
		s.Apply(snapshot)
		steps := s.Decide(time.Time{})
		for i, step := range steps {
			s.Committed(step, int64(i+2))
		}
		b.ReportMetric(float64(len(steps)), "transactions")
	}
}

// BenchmarkElected is a new leader's first look at a cluster in which all is well.
func BenchmarkElected(b *testing.B) {
	for _, size := range []struct{ machines, units int }{{1000, 100_000}, {10_000, 1_000_000}} {
		b.Run(fmt.Sprintf("machines=%d/units=%d", size.machines, size.units), func(b *testing.B) {
			snapshot := filled(b, size.machines, size.units)
			for b.Loop() {
				s := New()
				s.Apply(snapshot)
				if steps := s.Decide(time.Time{}); len(steps) > 0 {
					b.Fatalf("not settled: %v", steps[0].Notes)
				}
			}
		})
	}
}

// BenchmarkLost is the loss of one of 1,000 machines with 100 units.
func BenchmarkLost(b *testing.B) {
	snapshot := filled(b, 1000, 100_000)
	for b.Loop() {
		b.StopTimer()
		s := New()
		s.Apply(snapshot)
		s.Decide(time.Time{})
		b.StartTimer()
		s.Apply(cluster.Update{Revision: 2, Changes: []cluster.Change{
			cluster.MachineChanged{ID: "00000007"}, cluster.ReportChanged{ID: "00000007"},
		}})
		for i, step := range s.Decide(time.Time{}) {
			s.Committed(step, int64(3+i))
		}
	}
}
