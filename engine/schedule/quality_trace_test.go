package schedule_test

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// amounts is what a machine has and a unit needs, in the bench of packing.
type amounts [4]int64

// The dimensions of amounts.
const (
	cores = iota // thousandths
	memory
	disk
	gpus
)

const (
	mebi = 1 << 20
	gibi = 1 << 30
)

// standard is the machine whose halves are the holes that are counted.
var standard = amounts{16_000, 64 * gibi, 500 * gibi, 0}

// shapes are the other machines: more memory, more of everything, and the large ones with GPUs.
var shapes = []amounts{{8000, 64 * gibi, 250 * gibi, 0}, {32_000, 64 * gibi, 1000 * gibi, 0}, {64_000, 256 * gibi, 2000 * gibi, 8}}

func (a amounts) fits(into amounts) bool {
	for d := range a {
		if a[d] > into[d] {
			return false
		}
	}
	return true
}

func (a amounts) plus(sign int64, o amounts) amounts {
	for d := range a {
		a[d] += sign * o[d]
	}
	return a
}

// trace is a story of units that come, and perhaps go.
type trace struct {
	sizes string // which mix of units
	mixed bool   // machines of four shapes instead of one
	churn bool   // for five units that come four go
}

func traces() []trace {
	var all []trace
	for _, sizes := range []string{"tail", "steps", "kinds", "uniform"} {
		for _, mixed := range []bool{false, true} {
			all = append(all, trace{sizes, mixed, false}, trace{sizes, mixed, true})
		}
	}
	return all
}

func (t trace) String() string {
	machines, coming := "same", "fill"
	if t.mixed {
		machines = "mixed"
	}
	if t.churn {
		coming = "churn"
	}
	return fmt.Sprintf("%s-%s-%s", t.sizes, machines, coming)
}

// machines draws the cluster.
func (t trace) machines(chance *rand.Rand, n int) []amounts {
	all := make([]amounts, n)
	for i := range all {
		all[i] = standard
		if kind := chance.IntN(5); t.mixed && kind >= 2 {
			all[i] = shapes[kind-2]
		}
	}
	return all
}

// need draws the next unit.
func (t trace) need(chance *rand.Rand) amounts {
	var n amounts
	switch t.sizes {
	case "tail":
		n = tail(chance)
	case "steps":
		n = steps(chance)
	case "kinds":
		n = []amounts{{4000, 4 * gibi}, {500, 24 * gibi, 20 * gibi}, {2000, 8 * gibi}, {250, gibi, gibi}}[chance.IntN(4)]
	case "uniform":
		n = amounts{160 + chance.Int64N(6400), (655 + chance.Int64N(26_000)) * mebi}
	}
	if t.mixed && chance.IntN(100) == 0 {
		n[gpus] = 1
	}
	return n
}

// tail is many small units and few large ones: a bounded Pareto distribution from 0.5 % to 60 % of
// a standard machine, of which some need little CPU and some little memory.
func tail(chance *rand.Rand) amounts {
	const low, high, shape = 0.005, 0.6, 1.1
	l, h := math.Pow(low, shape), math.Pow(high, shape)
	u := chance.Float64()
	share := math.Pow((h-u*(h-l))/(h*l), -1/shape)
	cpu, ram := share, share
	switch kind := chance.IntN(10); {
	case kind >= 7:
		ram /= 4
	case kind >= 4:
		cpu /= 4
	}
	n := amounts{max(10, int64(cpu*float64(standard[cores]))), max(16*mebi, int64(ram*float64(standard[memory])))}
	if chance.IntN(3) == 0 {
		n[disk] = int64(share * chance.Float64() * float64(standard[disk]))
	}
	return n
}

// steps are needs as people write them: round numbers, the CPU more or less in proportion to the memory.
func steps(chance *rand.Rand) amounts {
	millis := []int64{100, 250, 250, 500, 500, 1000, 1000, 2000, 4000, 8000}
	mebis := []int64{128, 256, 512, 512, 1024, 1024, 2048, 4096, 8192, 16_384, 32_768}
	i := chance.IntN(len(millis))
	j := min(max(i+chance.IntN(5)-1, 0), len(mebis)-1)
	n := amounts{millis[i], mebis[j] * mebi}
	if chance.IntN(4) == 0 {
		n[disk] = 5 * gibi << chance.IntN(5)
	}
	return n
}
