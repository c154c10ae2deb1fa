package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// fate does what happens to a cluster, from a seed.
type fate struct {
	*rand.Rand
	w       *world
	wanted  map[unit.Name]cluster.DesiredState
	losable bool // whether machines may be silent for longer than their lease
	log     []string
}

func (f *fate) note(format string, args ...any) {
	f.log = append(f.log, fmt.Sprintf("%s ", time.Now().Format("04:05"))+fmt.Sprintf(format, args...))
}

func (f *fate) user() {
	name := unit.Name(fmt.Sprintf("u%d.service", f.IntN(8)))
	text := service
	switch f.IntN(4) {
	case 0:
		text += "Restart=always\n"
	case 1:
		text += "[X-Test]\nStartSec=2s\nStopSec=3s\n"
	case 2:
		text += "[X-Fleet]\nConflicts=u1.service u2.service\n"
	}
	_, exists := f.wanted[name]
	switch action := f.IntN(6); {
	case !exists || action == 0:
		desired := []cluster.DesiredState{cluster.Launched, cluster.Launched, cluster.Loaded, cluster.Inactive}[f.IntN(4)]
		f.note("put %s %s %q", name, desired, text)
		f.w.put(name, text, desired)
		f.wanted[name] = desired
	case action == 1:
		f.note("destroy %s", name)
		f.w.destroy(name)
		delete(f.wanted, name)
	case action == 2 && f.wanted[name] == cluster.Launched:
		f.note("restart %s", name)
		f.w.restart(name)
	default:
		desired := []cluster.DesiredState{cluster.Launched, cluster.Loaded, cluster.Inactive}[f.IntN(3)]
		f.note("want %s %s", name, desired)
		f.w.want(name, desired)
		f.wanted[name] = desired
	}
}

func (f *fate) strike() {
	m := f.w.machines[f.IntN(len(f.w.machines))]
	brief := time.Duration(f.IntN(4000)) * time.Millisecond
	long := brief
	if f.losable {
		long = time.Duration(f.IntN(40)) * time.Second
	}
	switch f.IntN(5) {
	case 0:
		f.note("stop fleetd of %s for %s", m.id, brief)
		m.stop()
		time.Sleep(brief)
		m.start()
	case 1:
		f.note("kill fleetd of %s for %s", m.id, brief)
		m.kill()
		time.Sleep(brief)
		m.start()
	case 2:
		f.note("cut %s for %s", m.id, long)
		m.client.Cut()
		time.Sleep(long)
		m.client.Heal()
	case 3:
		f.note("cut the bus of %s for %s", m.id, long)
		m.host.CutBus()
		time.Sleep(long)
		m.host.HealBus()
	case 4:
		if !f.losable {
			return
		}
		f.note("crash %s for %s", m.id, long)
		m.crash()
		time.Sleep(long)
		m.start()
	}
}

// check is what must hold once everything is quiet.
func (f *fate) check(t *testing.T) {
	t.Helper()
	s := f.w.snapshot()
	for name, desired := range f.wanted {
		phase, message := s.Status(name).Outcome()
		on := len(f.w.where(name))
		placed := phase == cluster.Done
		switch {
		case desired == cluster.Launched && phase == cluster.Nowhere && on == 0:
		case desired == cluster.Launched && placed && on == 1:
		case desired != cluster.Launched && on == 0 && (placed || phase == cluster.Nowhere):
		default:
			t.Errorf("%s is wanted %s and runs on %d machines: %s %s", name, desired, on, phase, message)
		}
	}
	for _, m := range f.w.machines {
		for _, name := range m.host.Running() {
			if f.wanted[name] != cluster.Launched {
				t.Errorf("%s runs on %s and is wanted %q", name, m.id, f.wanted[name])
			}
		}
	}
	before := f.w.store.Revision()
	time.Sleep(10 * time.Minute)
	if after := f.w.store.Revision(); after != before {
		t.Errorf("a quiet cluster wrote %d times", after-before)
	}
}

// noOverlap holds as long as no session has ended: two lives of a unit never overlap.
func (f *fate) noOverlap(t *testing.T) {
	t.Helper()
	type life struct {
		m          cluster.MachineID
		start, end time.Time
	}
	lifes := make(map[unit.Name][]life)
	for _, m := range f.w.machines {
		for _, r := range m.host.Runs() {
			end := r.End
			if end.IsZero() {
				end = time.Now()
			}
			lifes[r.Unit] = append(lifes[r.Unit], life{m.id, r.Start, end})
		}
	}
	for name, all := range lifes {
		slices.SortFunc(all, func(a, b life) int { return a.start.Compare(b.start) })
		for i := 1; i < len(all); i++ {
			if all[i].start.Before(all[i-1].end) {
				t.Errorf("%s ran on %s from %s and on %s until %s", name,
					all[i].m, all[i].start.Format("04:05.000"), all[i-1].m, all[i-1].end.Format("04:05.000"))
			}
		}
	}
}

var histories = flag.Int("histories", 60, "how many seeds fate is tried with")

func TestWhateverHappensTheClusterComesToRestRight(t *testing.T) {
	n := *histories
	if testing.Short() {
		n = min(n, 10)
	}
	for _, losable := range []bool{false, true} {
		for seed := range n {
			t.Run(fmt.Sprintf("losable=%v/seed=%d", losable, seed), func(t *testing.T) {
				in(t, 3, func(t *testing.T, w *world) {
					f := &fate{
						Rand: rand.New(rand.NewPCG(uint64(seed), 1)), w: w,
						wanted: make(map[unit.Name]cluster.DesiredState), losable: losable,
					}
					for range 40 {
						f.user()
						if f.IntN(3) == 0 {
							f.strike()
						}
						time.Sleep(time.Duration(f.IntN(3000)) * time.Millisecond)
					}
					w.settle()
					f.check(t)
					if !losable {
						f.noOverlap(t)
					}
					if t.Failed() {
						for _, line := range f.log {
							t.Log(line)
						}
					}
				})
			})
		}
	}
}
