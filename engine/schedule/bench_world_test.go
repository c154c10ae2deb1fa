package schedule_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/engine/schedule"
	"fleet/unit"
)

// scale is the size of a cluster: its machines, and the units on each.
type scale struct{ machines, each int }

func (s scale) String() string { return fmt.Sprintf("%dx%d", s.machines, s.each) }

func (s scale) units() int { return s.machines * s.each }

// arrivals is how many units come in one case: enough for a 99th percentile, and few enough
// that the cluster at the end is still the one that the case names.
func (s scale) arrivals() int { return min(20_000, s.units()/5) }

// scales leaves out 100,000 machines with 100 units each: the ten million records, before the brain
// has seen any of them, do not fit into the memory of a machine as these benchmarks are run on.
func scales() []scale {
	if testing.Short() {
		return []scale{{1000, 10}, {10_000, 10}}
	}
	return []scale{{1000, 10}, {1000, 100}, {10_000, 10}, {10_000, 100}, {100_000, 10}}
}

const (
	machineMemory = 64 << 30
	machineCPU    = 16_000
	machineDisk   = 500 << 30
	zones         = 10
	filled        = 0.55 // share of each machine that is reserved from the start, on average
	variety       = 256  // how many different files there are of a kind
)

// files are unit files of random needs, as large as they may be if each machine is to have that many units.
// Rules gives the i-th of them more of [X-Fleet].
func (s scale) files(b testing.TB, seed uint64, rules func(i int) string) []*unit.File {
	b.Helper()
	chance := rand.New(rand.NewPCG(seed, uint64(s.each)))
	share := func(of float64) int64 {
		return int64(of * filled / float64(max(s.each, 1)) * (0.4 + 1.2*chance.Float64()))
	}
	all := make([]*unit.File, variety)
	for i := range all {
		all[i] = parsed(b, fmt.Sprintf("[Service]\nExecStart=/bin/true\nMemoryMax=%dK\n[X-Fleet]\nCPUReserve=%dm\nDiskReserve=%dM\n%s",
			share(machineMemory>>10), share(machineCPU), share(machineDisk>>20), rules(i)))
	}
	return all
}

func noRules(int) string { return "" }

func parsed(b testing.TB, text string) *unit.File {
	b.Helper()
	f, err := unit.Parse([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := f.Rules("a@b.service"); err != nil {
		b.Fatal(err)
	}
	return f
}

// snapshot is the store of a cluster in which all is well. Unit k is on machine k modulo their number.
func (s scale) snapshot(b testing.TB) cluster.Update {
	b.Helper()
	files := s.files(b, 1, noRules)
	u := cluster.Update{Reset: true, Revision: 1}
	for _, f := range files[:min(len(files), s.units())] {
		u.Changes = append(u.Changes, cluster.FileChanged{ID: f.ID(), File: f, Revision: 1})
	}
	for i := range s.machines {
		m := benchMachine(i)
		orders := &cluster.Orders{Machine: m.ID, Session: m.Session, Revision: 1, Units: make(map[unit.Name]cluster.Order, s.each)}
		for n := range s.each {
			k := n*s.machines + i
			content := files[k%len(files)].ID()
			orders.Units[oldName(k)] = cluster.Order{Content: content, Desired: cluster.Launched, Generation: 1, Reason: "packed"}
			u.Changes = append(u.Changes, cluster.UnitChanged{Name: oldName(k), Unit: benchUnit(oldName(k), content, 1)})
		}
		u.Changes = append(u.Changes, cluster.MachineChanged{ID: m.ID, Machine: m}, cluster.OrdersChanged{ID: m.ID, Orders: orders},
			cluster.ReportChanged{ID: m.ID, Report: reportOn(*orders, 1)})
	}
	return u
}

func benchMachine(i int) *cluster.Machine {
	return &cluster.Machine{
		ID: benchID(i), Session: cluster.Session{Lease: 1},
		Metadata: map[string]string{"half": fmt.Sprint(i % 2), "zone": fmt.Sprintf("z%d", i%zones)},
		Capacity: cluster.Capacity{
			PhysicalMemory: machineMemory + 1<<30,
			Resources:      unit.Resources{Memory: machineMemory - int64(i%4)<<28, CPU: machineCPU, Disk: machineDisk},
		},
	}
}

func benchID(i int) cluster.MachineID { return cluster.MachineID(fmt.Sprintf("%08x", i)) }

func oldName(k int) unit.Name { return unit.Name(fmt.Sprintf("unit-%d.service", k)) }

func benchUnit(name unit.Name, content unit.ContentID, revision int64) *cluster.Unit {
	return &cluster.Unit{Name: name, Content: content, Desired: cluster.Launched, Generation: revision, Revision: revision}
}

// reportOn is what a machine reports that has carried out its orders.
func reportOn(o cluster.Orders, revision int64) *cluster.Report {
	r := &cluster.Report{
		Machine: o.Machine, Session: o.Session, Orders: o.Revision, Revision: revision,
		Units: make(map[unit.Name]cluster.UnitReport, len(o.Units)),
	}
	for name, order := range o.Units {
		r.Units[name] = cluster.UnitReport{Content: order.Content, Generation: order.Generation, Tried: order.Generation}
	}
	return r
}

// arrival is a unit that comes.
type arrival struct {
	name unit.Name
	file *unit.File
}

func (a arrival) changes(revision int64) []cluster.Change {
	return []cluster.Change{
		cluster.FileChanged{ID: a.file.ID(), File: a.file, Revision: revision},
		cluster.UnitChanged{Name: a.name, Unit: benchUnit(a.name, a.file.ID(), revision)},
	}
}

// leader is an engine without the store: it decides, and what it decides is as good as written.
type leader struct {
	b        testing.TB
	s        *schedule.State
	revision int64
	took     time.Duration   // by the brain, since the last reset of this figure
	steps    []schedule.Step // of the last decision
}

func elect(b testing.TB, snapshot cluster.Update) *leader {
	b.Helper()
	l := &leader{b: b, s: schedule.New(schedule.Options{}), revision: snapshot.Revision}
	began := time.Now()
	l.s.Apply(snapshot)
	l.steps = l.s.Decide(time.Unix(0, 0))
	l.took = time.Since(began)
	if len(l.steps) > 0 {
		b.Fatalf("the cluster is not settled: %v", l.steps[0].Notes)
	}
	return l
}

// tell hands the brain news and commits what it decides.
func (l *leader) tell(changes []cluster.Change) time.Duration {
	l.revision++
	began := time.Now()
	l.s.Apply(cluster.Update{Revision: l.revision, Changes: changes})
	l.steps = l.s.Decide(time.Unix(0, 0))
	for _, step := range l.steps {
		l.revision++
		l.s.Committed(step, l.revision)
	}
	took := time.Since(began)
	l.took += took
	return took
}

// obey reports every machine that was given orders by the last decision.
func (l *leader) obey() {
	var news []cluster.Change
	for _, step := range l.steps {
		for id, orders := range step.Orders {
			orders.Revision = l.revision
			news = append(news, cluster.ReportChanged{ID: id, Report: reportOn(orders, l.revision+1)})
		}
	}
	l.tell(news)
}

// placed is how many units the last decision gave a machine.
func (l *leader) placed() int {
	n := 0
	for _, step := range l.steps {
		for _, note := range step.Notes {
			if note.Action == schedule.Place {
				n++
			}
		}
	}
	return n
}

// mustPlace fails unless the last decision placed so many units.
func (l *leader) mustPlace(n int) {
	l.b.Helper()
	if got := l.placed(); got != n {
		l.b.Fatalf("placed %d of %d units: %v", got, n, firstNote(l.steps))
	}
}

func firstNote(steps []schedule.Step) string {
	for _, step := range steps {
		for _, note := range step.Notes {
			return fmt.Sprint(note)
		}
	}
	return "nothing was decided"
}

func p99(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)*99/100].Nanoseconds()) / 1000
}
