package schedule

import (
	"errors"
	"maps"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// rehearsal is a brain of its own over a snapshot, of which nothing is written, with machines that obey at
// once: what they are ordered to have is up, and what they are not is gone.
type rehearsal struct {
	*State
	revision  int64
	withdrawn map[unit.Name]string // why units were taken off machines last
}

func rehearse(s *cluster.Snapshot, o Options) *rehearsal {
	r := &rehearsal{State: New(o), revision: s.Revision, withdrawn: make(map[unit.Name]string)}
	r.Apply(s.All())
	return r
}

// tell changes records.
func (r *rehearsal) tell(changes ...cluster.Change) {
	if len(changes) == 0 {
		return
	}
	r.revision++
	r.Apply(cluster.Update{Revision: r.revision, Changes: changes})
}

// maxRehearsals bounds how often brain and machines act in turn. A move takes two rounds; units that
// wait for each other take more, one or two for each that is in the way of another.
const maxRehearsals = 100

var errRestless = errors.New("the engine does not come to rest: units keep driving each other from their places")

// rest has the brain and the machines act in turn until there is nothing more to decide.
func (r *rehearsal) rest() error {
	for range maxRehearsals {
		r.obey()
		steps := r.Decide(time.Time{})
		if len(steps) == 0 {
			return nil
		}
		for _, step := range steps {
			r.revision++
			r.Committed(step, r.revision)
			for _, note := range step.Notes {
				if note.Action == Withdraw {
					r.withdrawn[note.Unit] = note.Reason
				}
			}
		}
	}
	return errRestless
}

// obey has all machines that have reported at all carry out their orders.
func (r *rehearsal) obey() {
	var news []cluster.Change
	for _, m := range r.machines {
		if m.record == nil || !m.reported() || !m.live() || m.written == nil || m.carriedOut() {
			continue
		}
		report := *m.report
		report.Orders, report.Units = m.written.Revision, make(map[unit.Name]cluster.UnitReport, len(m.written.Units))
		for name, o := range m.written.Units {
			report.Units[name] = obeyed(m.report.Units[name], o)
		}
		news = append(news, cluster.ReportChanged{ID: m.id, Report: &report})
	}
	r.tell(news...)
}

// carriedOut tells whether the machine has said that it is as it was ordered to be.
func (m *machine) carriedOut() bool {
	if !m.confirmed(m.written.Revision) || len(m.report.Units) != len(m.written.Units) {
		return false
	}
	for name, o := range m.written.Units {
		if u, ok := m.report.Units[name]; !ok || u.Generation < o.Generation && u.Tried < o.Generation {
			return false
		}
	}
	return true
}

// obeyed is what a machine reports of a unit. One that has failed at what it is ordered to do has failed.
func obeyed(was cluster.UnitReport, o cluster.Order) cluster.UnitReport {
	if was.Content == o.Content && max(was.Generation, was.Tried) >= o.Generation {
		return was
	}
	is := cluster.UnitReport{Content: o.Content, Generation: o.Generation, Tried: o.Generation}
	is.Active = "inactive"
	if o.Desired == cluster.Launched {
		is.Active = "active"
	}
	return is
}

// takeOut makes the cluster one in which the group is nowhere: not ordered, not running, no place kept for it.
func (r *rehearsal) takeOut(g group) {
	on := make(map[*machine]struct{})
	for _, t := range g {
		r.release(t)
		for _, m := range t.where {
			on[m] = struct{}{}
		}
	}
	var news []cluster.Change
	for _, m := range sortedMachines(on) {
		news = append(news, cluster.OrdersChanged{ID: m.id, Orders: withoutOrders(m, g)})
		if m.report != nil {
			news = append(news, cluster.ReportChanged{ID: m.id, Report: withoutReports(m, g)})
		}
	}
	r.tell(news...)
}

// withoutOrders are the orders of m but for the group, in a map of their own.
func withoutOrders(m *machine, g group) *cluster.Orders {
	orders := cluster.Orders{Machine: m.id}
	switch {
	case m.written != nil:
		orders = *m.written
	case m.record != nil:
		orders.Session = m.record.Session
	}
	orders.Units, orders.Left = without(orders.Units, g), without(orders.Left, g)
	return &orders
}

// withoutReports is the report of m but for the group, in a map of its own.
func withoutReports(m *machine, g group) *cluster.Report {
	report := *m.report
	report.Units = without(report.Units, g)
	return &report
}

func without[V any](units map[unit.Name]V, g group) map[unit.Name]V {
	kept := make(map[unit.Name]V, len(units)+1)
	maps.Copy(kept, units)
	for _, t := range g {
		delete(kept, t.name)
	}
	return kept
}
