package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/unit"
)

// BenchmarkAdvice measures answers about a cluster of 1,000 machines and 100,000 units, of which
// every one is on a machine at random. Half of the units ask for metadata, some for more.
func BenchmarkAdvice(b *testing.B) {
	s := scale{1000, 100}
	if testing.Short() {
		s = scale{100, 100}
	}
	snapshot := scattered(b, s)
	name := oldName(s.units() / 2)
	var advisor schedule.Advisor
	b.Run("explain/"+s.String(), func(b *testing.B) {
		for b.Loop() {
			e, err := advisor.Explain(snapshot, name)
			if err != nil || len(e.Verdicts) != s.machines {
				b.Fatalf("%d verdicts, %v", len(e.Verdicts), err)
			}
		}
	})
	b.Run("plan/"+s.String(), func(b *testing.B) {
		u, _ := snapshot.Unit(name)
		u.Name = "new.service"
		for b.Loop() {
			p, err := advisor.Plan(snapshot, []cluster.UnitEdit{{Unit: u}})
			if err != nil || len(p.Steps) != 1 {
				b.Fatalf("%d steps, %v", len(p.Steps), err)
			}
		}
	})
	for _, goal := range []cluster.Goal{cluster.GoalFree, cluster.GoalEven} {
		b.Run(fmt.Sprintf("rebalance-%s/%s", goal, s), func(b *testing.B) {
			for b.Loop() {
				p, err := advisor.Rebalance(snapshot, goal, 0)
				if err != nil || len(p.Steps) == 0 {
					b.Fatalf("%d moves, %v", len(p.Steps), err)
				}
				b.ReportMetric(float64(len(p.Steps)), "moves")
				b.ReportMetric(p.After.Fullest, "fullest")
				b.ReportMetric(float64(p.After.Empty), "empty")
			}
		})
	}
}

// scattered is a cluster in which some machines have many units and others few.
func scattered(b *testing.B, s scale) *cluster.Snapshot {
	b.Helper()
	chance := rand.New(rand.NewPCG(1, 2))
	files := s.files(b, 1, func(i int) string {
		switch i % 8 {
		case 0, 1, 2:
			return fmt.Sprintf("MachineMetadata=half=%d\n", i/8%2)
		case 3:
			return fmt.Sprintf("PreferMetadata=zone=z%d\n", i/8%zones)
		case 4:
			return "Movable=no\n"
		}
		return ""
	})
	u := cluster.Update{Reset: true, Revision: 1}
	for _, f := range files {
		u.Changes = append(u.Changes, cluster.FileChanged{ID: f.ID(), File: f, Revision: 1})
	}
	orders := make([]*cluster.Orders, s.machines)
	for i := range orders {
		m := benchMachine(i)
		orders[i] = &cluster.Orders{Machine: m.ID, Session: m.Session, Revision: 1, Units: make(map[unit.Name]cluster.Order)}
		u.Changes = append(u.Changes, cluster.MachineChanged{ID: m.ID, Machine: m}, cluster.OrdersChanged{ID: m.ID, Orders: orders[i]})
	}
	for k := range s.units() {
		i := chance.IntN(s.machines)
		if chance.IntN(2) == 0 {
			i /= 2 // the first half of the machines has three quarters of the units
		}
		file := k % len(files)
		if file%8 < 3 && i%2 != file/8%2 {
			i ^= 1
		}
		content := files[file].ID()
		orders[i].Units[oldName(k)] = cluster.Order{Content: content, Desired: cluster.Launched, Generation: 1}
		u.Changes = append(u.Changes, cluster.UnitChanged{Name: oldName(k), Unit: benchUnit(oldName(k), content, 1)})
	}
	for _, o := range orders {
		u.Changes = append(u.Changes, cluster.ReportChanged{ID: o.Machine, Report: reportOn(*o, 1)})
	}
	var snapshot cluster.Snapshot
	snapshot.Apply(u)
	return &snapshot
}
