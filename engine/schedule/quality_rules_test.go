package schedule_test

import (
	"math"
	"math/rand/v2"
)

// site is a machine in the bench of packing.
type site struct {
	has, free amounts
	units     int
}

// after is the share of CPU and memory that is free when the unit has come.
func (m *site) after(n amounts) (cpu, ram float64) {
	left := m.free.plus(-1, n)
	return float64(left[cores]) / float64(m.has[cores]), float64(left[memory]) / float64(m.has[memory])
}

// formula is how others choose: of the machines with room the one with the highest score.
type formula struct {
	score  func(m *site, n amounts) float64
	sample func(machines int) int // how many machines with room are looked at, in random order; nil: all
	chance *rand.Rand
}

func (f *formula) choose(sites []site, n amounts) (int, bool) {
	order, limit := func(i int) int { return i }, len(sites)
	if f.sample != nil {
		shuffled := f.chance.Perm(len(sites))
		order, limit = func(i int) int { return shuffled[i] }, f.sample(len(sites))
	}
	best, found, highest := 0, false, math.Inf(-1)
	for i := 0; i < len(sites) && limit > 0; i++ {
		m := &sites[order(i)]
		if !n.fits(m.free) {
			continue
		}
		limit--
		if score := f.score(m, n); score > highest {
			best, found, highest = order(i), true, score
		}
	}
	return best, found
}

func (f *formula) release(int) {}

// fewest is fleet's rule of old: the machine with the fewest units.
func fewest(m *site, _ amounts) float64 { return -float64(m.units) }

// nomad is how HashiCorp Nomad packs by default, ScoreFitBinPack in nomad/structs/funcs.go:
// 20 - (10^freeCPU + 10^freeMemory), the shares that are free with the unit placed, held between 0 and 18.
func nomad(m *site, n amounts) float64 {
	cpu, ram := m.after(n)
	return min(max(20-(math.Pow(10, cpu)+math.Pow(10, ram)), 0), 18)
}

// nomadSample is how many machines Nomad scores for a service, GenericStack.SetNodes in
// scheduler/stack.go: the logarithm of their number to the base of 2, rounded up, at least 2.
func nomadSample(machines int) int { return max(2, int(math.Ceil(math.Log2(float64(machines))))) }

// kubernetes is the part of kube-scheduler's default score that is about resources, both plugins with weight 1:
// NodeResourcesFit with LeastAllocated, the mean of the shares that stay free, and
// NodeResourcesBalancedAllocation, 1 less the standard deviation of the shares in use. In whole hundredths
// (pkg/scheduler/framework/plugins/noderesources: least_allocated.go, balanced_allocation.go).
func kubernetes(m *site, n amounts) float64 {
	cpu, ram := m.after(n)
	least := math.Floor((math.Floor(cpu*100) + math.Floor(ram*100)) / 2)
	balanced := math.Floor((1 - math.Abs(cpu-ram)/2) * 100)
	return least + balanced
}
