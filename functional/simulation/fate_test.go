package simulation

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// fate does what happens to a cluster, from a seed.
type fate struct {
	*rand.Rand
	w       *world
	wanted  map[unit.Name]wish
	losable bool // whether machines may be silent for longer than their lease
	edition int  // of unit files

	everywhere map[unit.Name]bool // units that have ever been global

	under sync.WaitGroup // what is under way
	mu    struct {
		sync.Mutex
		struck map[cluster.MachineID]bool
		log    []string
	}
}

func (f *fate) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.log = append(f.mu.log, fmt.Sprintf("%s ", time.Now().Format("15:04:05.000"))+fmt.Sprintf(format, args...))
}

func (f *fate) between(least, most time.Duration) time.Duration {
	return least + time.Duration(f.Int64N(int64(most-least)))
}

// later does something beside everything else.
func (f *fate) later(after time.Duration, do func()) {
	f.under.Go(func() {
		time.Sleep(after)
		do()
	})
}

// unrest is a time in which everybody does something.
func (f *fate) unrest() {
	for range 40 {
		f.user()
		switch f.IntN(12) {
		case 0, 1, 2:
			f.strike(true)
		case 3:
			f.operator()
		case 4:
			f.administrator()
		case 5:
			f.compactor()
		case 6:
			f.vandal()
		case 7:
			if len(f.w.machines) < 5 {
				f.note("one more machine joins")
				f.w.add()
			}
		}
		time.Sleep(f.between(0, 3*time.Second))
	}
}

// storm is a time of faults, in which nobody asks for anything.
func (f *fate) storm(amnesia bool) {
	f.note("a storm begins")
	for range 10 {
		f.strike(amnesia)
		switch f.IntN(5) {
		case 0:
			f.compactor()
		case 1:
			f.vandal()
		case 2:
			if amnesia {
				f.burglar()
			}
		}
		time.Sleep(f.between(0, 10*time.Second))
	}
}

// restartOne has one healthy unit restarted.
func (f *fate) restartOne() unit.Name {
	var healthy []unit.Name
	for name, wanted := range f.wanted {
		if wanted.desired == cluster.Launched && wanted.free && !wanted.fails && !wanted.ends && !wanted.doubted {
			healthy = append(healthy, name)
		}
	}
	if len(healthy) == 0 {
		return ""
	}
	slices.Sort(healthy)
	name := healthy[f.IntN(len(healthy))]
	f.note("restart %s", name)
	f.w.restart(name)
	return name
}

var fates = flag.Int("fates", 20, "how many seeds fate is tried with")

func TestWhateverHappensTheClusterComesToRestRight(t *testing.T) {
	n := *fates
	if testing.Short() {
		n = min(n, 5)
	}
	for _, losable := range []bool{false, true} {
		for seed := range n {
			t.Run(fmt.Sprintf("losable=%v/seed=%d", losable, seed), func(t *testing.T) {
				in(t, 3, func(t *testing.T, w *world) {
					f := &fate{Rand: rand.New(rand.NewPCG(uint64(seed), 1)), w: w, wanted: make(map[unit.Name]wish), everywhere: make(map[unit.Name]bool), losable: losable}
					f.mu.struck = make(map[cluster.MachineID]bool)
					defer f.tell(t)
					f.live(t)
				})
			})
		}
	}
}

func (f *fate) live(t *testing.T) {
	f.unrest()
	f.rest(t)
	if t.Failed() {
		return
	}
	f.undisturbed(t, func() unit.Name {
		f.storm(true)
		return ""
	})
	if t.Failed() {
		return
	}
	f.undisturbed(t, func() unit.Name {
		name := f.restartOne()
		f.storm(false)
		return name
	})
	if !f.losable {
		f.noOverlap(t)
	}
}

// tell logs what has happened, if the test has failed.
func (f *fate) tell(t *testing.T) {
	f.under.Wait()
	if !t.Failed() {
		return
	}
	for _, line := range f.mu.log {
		t.Log(line)
	}
}
