package index

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// warehouse packs random units onto random machines, best fit first.
type warehouse struct {
	chance *rand.Rand
	index  *Index
	total  [Dims]int64
	free   []Vector
	units  []placed
	needs  []Vector // drawn beforehand, so that a benchmark does not time the lots
}

type placed struct {
	slot Slot
	need Vector
}

const (
	gigabyte = 1 << 30
	dims     = 4 // memory, CPU, disk, units
)

func newWarehouse(machines int) *warehouse {
	w := &warehouse{
		chance: rand.New(rand.NewPCG(3, 4)),
		index:  New(func(a, b Slot) bool { return a < b }),
	}
	for range machines {
		size := int64(1) << w.chance.IntN(3)
		free := Vector{
			(size*32 - w.chance.Int64N(4)) * gigabyte,
			size * 8000,
			(500 + w.chance.Int64N(500)) * gigabyte,
			500,
		}
		for d := range dims {
			w.total[d] += free[d]
		}
		w.free = append(w.free, free)
	}
	for slot := range w.free {
		w.index.Put(Slot(slot), w.score(&w.free[slot]), &w.free[slot])
	}
	for range 1 << 14 {
		w.needs = append(w.needs, w.draw())
	}
	return w
}

// draw returns a unit that needs two to four kinds of things.
func (w *warehouse) draw() Vector {
	need := Vector{
		(64 + w.chance.Int64N(4096)) << 20,
		100 + 50*w.chance.Int64N(30),
		0,
		1,
	}
	switch w.chance.IntN(4) {
	case 0:
		need[2] = (1 + w.chance.Int64N(40)) * gigabyte
	case 1:
		need[0] *= 4
	case 2:
		need[1] *= 4
	}
	return need
}

func (w *warehouse) score(free *Vector) int64 {
	sum := 0.0
	for d := range dims {
		sum += float64(free[d]) / float64(w.total[d])
	}
	return int64(sum * (1 << 50))
}

func (w *warehouse) place(need *Vector) bool {
	cursor := w.index.Seek(need, false)
	slot, ok := cursor.Next()
	if !ok {
		return false
	}
	w.change(slot, need, -1)
	w.units = append(w.units, placed{slot, *need})
	return true
}

func (w *warehouse) release(i int) {
	last := len(w.units) - 1
	gone := w.units[i]
	w.units[i] = w.units[last]
	w.units = w.units[:last]
	w.change(gone.slot, &gone.need, 1)
}

func (w *warehouse) change(slot Slot, need *Vector, sign int64) {
	free := &w.free[slot]
	for d := range need {
		free[d] += sign * need[d]
	}
	w.index.Put(slot, w.score(free), free)
}

// fill packs until a share of the memory is taken, and then lets as many units
// come and go, so that what is left is no longer in the order of arrival.
func (w *warehouse) fill(share float64) {
	for left := share * float64(w.total[0]); left > 0; {
		need := w.draw()
		if !w.place(&need) {
			break
		}
		left -= float64(need[0])
	}
	for range min(len(w.units), 200_000) {
		w.release(w.chance.IntN(len(w.units)))
		need := w.draw()
		w.place(&need)
	}
}

var sizes = []int{1_000, 10_000, 100_000}

func forSizes(b *testing.B, run func(b *testing.B, w *warehouse)) {
	for _, machines := range sizes {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			w := newWarehouse(machines)
			w.fill(0.8)
			b.ReportAllocs()
			run(b, w)
		})
	}
}

// One operation: a unit goes, another comes (two Puts and a search).
func BenchmarkChurn(b *testing.B) {
	forSizes(b, func(b *testing.B, w *warehouse) {
		turn := 0
		for b.Loop() {
			turn++
			w.release(turn * 7919 % len(w.units))
			w.place(&w.needs[turn%len(w.needs)])
		}
	})
}

// One operation: the best machine for a unit, on full machines.
func BenchmarkSeek(b *testing.B) {
	for _, descending := range []bool{false, true} {
		b.Run(fmt.Sprintf("descending=%v", descending), func(b *testing.B) {
			forSizes(b, func(b *testing.B, w *warehouse) {
				turn := 0
				for b.Loop() {
					turn++
					cursor := w.index.Seek(&w.needs[turn%len(w.needs)], descending)
					cursor.Next()
				}
			})
		})
	}
}

// One operation: a machine's room changes.
func BenchmarkPut(b *testing.B) {
	forSizes(b, func(b *testing.B, w *warehouse) {
		turn, sign := 0, int64(1)
		for b.Loop() {
			turn++
			if turn%len(w.units) == 0 {
				sign = -sign
			}
			unit := &w.units[turn*7919%len(w.units)]
			w.change(unit.slot, &unit.need, sign)
		}
	})
}

// One operation: a search that finds nothing. Each subtree has the memory and
// has the CPU, but no machine has both: the worst case.
func BenchmarkSeekInVain(b *testing.B) {
	for _, machines := range sizes {
		b.Run(fmt.Sprintf("machines=%d", machines), func(b *testing.B) {
			chance := rand.New(rand.NewPCG(5, 6))
			index := New(func(a, b Slot) bool { return a < b })
			for slot := range Slot(machines) {
				free := Vector{1000, 1000, 0, 1000}
				free[slot%2] = 1020
				index.Put(slot, chance.Int64(), &free)
			}
			need := Vector{1010, 1010, 0, 1}
			b.ReportAllocs()
			for b.Loop() {
				cursor := index.Seek(&need, false)
				cursor.Next()
			}
		})
	}
}

// One operation: all slots with room, one after the other in order.
func BenchmarkWalkInOrder(b *testing.B) {
	w := newWarehouse(10_000)
	w.fill(0.8)
	need := Vector{gigabyte, 500, 0, 1}
	found := 0
	b.ReportAllocs()
	for b.Loop() {
		found = 0
		cursor := w.index.Seek(&need, false)
		for _, ok := cursor.Next(); ok; _, ok = cursor.Next() {
			found++
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*found), "ns/slot")
}

// One operation: the best of the one machine in a hundred that a rule accepts.
func BenchmarkFirstAccepted(b *testing.B) {
	forSizes(b, func(b *testing.B, w *warehouse) {
		turn := 0
		for b.Loop() {
			turn++
			w.index.First(&w.needs[turn%len(w.needs)], false, func(slot Slot) bool { return slot%100 == 7 })
		}
	})
}

// One operation: how many full machines have room for a unit.
func BenchmarkCount(b *testing.B) {
	forSizes(b, func(b *testing.B, w *warehouse) {
		turn := 0
		for b.Loop() {
			turn++
			w.index.Count(&w.needs[turn%len(w.needs)])
		}
	})
}

// One operation: what a machine that has become free in part offers to those
// who wait for more than that, in one dimension or another.
func BenchmarkNothingFits(b *testing.B) {
	for _, waiting := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("waiting=%d", waiting), func(b *testing.B) {
			chance := rand.New(rand.NewPCG(7, 8))
			w := NewWaiting()
			for id := range int32(waiting) {
				need := Vector{(256 + chance.Int64N(30<<10)) << 20, 100 + 10*chance.Int64N(400), 0, 1}
				if chance.IntN(2) == 0 {
					need[0] = max(need[0], 8*gigabyte)
				} else {
					need[1] = max(need[1], 2000)
				}
				w.Put(id, &need)
			}
			room := make([]Vector, 1024)
			for i := range room {
				room[i] = Vector{chance.Int64N(8 * gigabyte), chance.Int64N(2000), 100 * gigabyte, 90}
			}
			turn := 0
			b.ReportAllocs()
			for b.Loop() {
				turn++
				w.Fitting(&room[turn%len(room)], func(int32) bool {
					b.Fatal("something fits")
					return false
				})
			}
		})
	}
}

// One operation: one that waits is taken out and put in.
func BenchmarkWaitingPut(b *testing.B) {
	house := newWarehouse(1)
	w := NewWaiting()
	for id := range int32(10_000) {
		w.Put(id, &house.needs[id])
	}
	turn := 0
	b.ReportAllocs()
	for b.Loop() {
		turn++
		w.Put(int32(turn%10_000), &house.needs[turn%len(house.needs)])
	}
}
