package schedule_test

import (
	"fmt"
	"testing"

	"fleet/cluster"
	"fleet/functional/costs"
	"fleet/unit"
)

// part is by how much allocations may differ from run to run: maps grow when they do.
const part = 0.05

func TestWhatADecisionAllocates(t *testing.T) {
	const runs = 500
	s := scale{machines: 1000, each: 10}
	files := s.files(t, 2, noRules)
	counted := func(what string, call func(i int)) {
		t.Helper()
		i := 0
		costs.About(t, what, testing.AllocsPerRun(runs, func() {
			call(i)
			i++
		}), part)
	}

	l := elect(t, s.snapshot(t))
	news := make([][]cluster.Change, runs+1)
	for i := range news {
		news[i] = arrival{unit.Name(fmt.Sprintf("new-%d.service", i)), files[i%len(files)]}.changes(l.revision + int64(i))
	}
	counted("allocations of a decision about a new unit, of 10,000", func(i int) {
		l.tell(news[i])
		l.mustPlace(1)
	})

	l = elect(t, s.snapshot(t))
	reports := make([][]cluster.Change, runs+1)
	for i := range reports {
		m := benchMachine(i)
		orders := cluster.Orders{Machine: m.ID, Session: m.Session, Revision: 1, Units: make(map[unit.Name]cluster.Order)}
		for n := range s.each {
			k := n*s.machines + i
			orders.Units[oldName(k)] = cluster.Order{Content: files[0].ID(), Generation: 1}
		}
		r := reportOn(orders, 2)
		for name, u := range r.Units {
			u.Restarts = 1
			r.Units[name] = u
		}
		reports[i] = []cluster.Change{cluster.ReportChanged{ID: m.ID, Report: r}}
	}
	counted("allocations of a decision that nothing is to be done, about a report of 10 units", func(i int) {
		l.tell(reports[i])
		l.mustPlace(0)
	})

	l = elect(t, s.snapshot(t))
	batch := make([]cluster.Change, 0, 2000)
	for i := range 1000 {
		batch = append(batch, arrival{unit.Name(fmt.Sprintf("many@%d.service", i)), files[0]}.changes(2)...)
	}
	costs.About(t, "allocations for each of 1,000 new units in one decision", float64(allocated(func() { l.tell(batch) })/1000), part)
	l.mustPlace(1000)
}
