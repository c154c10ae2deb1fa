package schedule

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
	"fleet/unit"
)

// TestTiny compares how many units find a place with the most that could, found by trying everything. Deciding
// one by one, without knowing what comes, cannot always reach that; but of units that all have room on equal
// machines at least half are placed (Boyar, Larsen, Nielsen: The accommodating function, SIAM J. Comput. 31, 2001).
func TestTiny(t *testing.T) {
	var cases, perfect, placed, possible int
	eachSeed(t, func(t *rapid.T) {
		s := newSim(t)
		size := rapid.IntRange(3, 10).Draw(t, "size")
		machines := rapid.IntRange(1, 4).Draw(t, "machines")
		for i := range machines {
			id := cluster.MachineID(fmt.Sprintf("m%d", i))
			s.joinWith(id, nil, cluster.Capacity{Resources: unit.Resources{Memory: int64(size) << 30}})
			s.write(s.hosts[id])
		}
		needs := rapid.SliceOfN(rapid.IntRange(1, size), 1, 8).Draw(t, "needs")
		for i, need := range needs {
			text := fmt.Sprintf("[X-Fleet]\nMemoryReserve=%dG\n", need)
			if err := s.submit(unit.Name(fmt.Sprintf("u%d.service", i)), cluster.Launched, text); err != nil {
				t.Fatalf("%v", err)
			}
		}
		s.decide()
		got := 0
		for _, h := range s.present() {
			got += len(s.live(h))
		}
		room := make([]int, machines)
		for i := range room {
			room[i] = size
		}
		most := mostUnits(room, needs)
		if got > most {
			t.Fatalf("%d are placed of at most %d\n%s", got, most, s.show())
		}
		if most == len(needs) && 2*got < most {
			t.Fatalf("%d are placed of %d that have room\n%s", got, most, s.show())
		}
		cases, placed, possible = cases+1, placed+got, possible+most
		if got == most {
			perfect++
		}
	})
	t.Logf("%d of %d units that could be placed are; nobody could do better in %d of %d cases", placed, possible, perfect, cases)
	if placed*100 < possible*90 {
		t.Errorf("%d of %d units are placed that could be", placed, possible)
	}
}

// mostUnits tries everything.
func mostUnits(room, needs []int) int {
	if len(needs) == 0 {
		return 0
	}
	best := mostUnits(room, needs[1:])
	for i := range room {
		if room[i] < needs[0] {
			continue
		}
		room[i] -= needs[0]
		best = max(best, 1+mostUnits(room, needs[1:]))
		room[i] += needs[0]
	}
	return best
}
