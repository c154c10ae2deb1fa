package index

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// amounts has what is likely to go wrong: ties, signs, both sides of where
// codes begin to round, and no limit.
var amounts = rapid.OneOf(
	rapid.Int64Range(0, 3),
	rapid.SampledFrom([]int64{-1, -5000, math.MinInt64, 1023, 1024, 1025, 1026, 1 << 40, 1<<40 + 1, math.MaxInt64 - 1, math.MaxInt64}),
	rapid.Int64Range(1000, 1_000_000),
	rapid.Int64(),
)

var vectors = rapid.Custom(func(t *rapid.T) (v Vector) {
	for d := range rapid.IntRange(0, Dims).Draw(t, "dims") {
		v[d] = amounts.Draw(t, "amount")
	}
	return v
})

// shelf is the index as it would be without an index.
type shelf struct {
	index *Index
	slots map[Slot]*machine
}

type machine struct {
	score int64
	free  Vector
}

// odd orders equal scores in an order that is not the numbers' own.
func odd(s Slot) int32 { return int32(s) ^ 0x55 }

func newShelf() *shelf {
	return &shelf{New(func(a, b Slot) bool { return odd(a) < odd(b) }), map[Slot]*machine{}}
}

func (s *shelf) put(slot Slot, score int64, free Vector) {
	s.index.Put(slot, score, &free)
	s.slots[slot] = &machine{score, free}
}

func (s *shelf) drop(slot Slot) {
	s.index.Drop(slot)
	delete(s.slots, slot)
}

func (s *shelf) fitting(need *Vector) []Slot {
	var found []Slot
	for slot, m := range s.slots {
		if fits(need, &m.free) {
			found = append(found, slot)
		}
	}
	slices.SortFunc(found, func(a, b Slot) int {
		return cmp.Or(cmp.Compare(s.slots[a].score, s.slots[b].score), cmp.Compare(odd(a), odd(b)))
	})
	return found
}

func fits(need, free *Vector) bool {
	for d := range need {
		if need[d] > 0 && need[d] > free[d] {
			return false
		}
	}
	return true
}

func (s *shelf) check(t fatal, need Vector) {
	t.Helper()
	if got := s.index.Len(); got != len(s.slots) {
		t.Fatalf("%d slots are in, want %d", got, len(s.slots))
	}
	want := s.fitting(&need)
	for _, descending := range []bool{false, true} {
		var got []Slot
		cursor := s.index.Seek(&need, descending)
		for slot, ok := cursor.Next(); ok; slot, ok = cursor.Next() {
			got = append(got, slot)
		}
		if _, again := cursor.Next(); again {
			t.Fatalf("a cursor goes on after its end")
		}
		if !slices.Equal(got, want) {
			t.Fatalf("room for %v, descending %v: %v, want %v", need, descending, got, want)
		}
		slices.Reverse(want)
	}
	even := func(slot Slot) bool { return slot%2 == 0 }
	wantEven := slices.DeleteFunc(slices.Clone(want), func(slot Slot) bool { return !even(slot) })
	for _, descending := range []bool{false, true} {
		got, ok := s.index.First(&need, descending, even)
		if ok != (len(wantEven) > 0) || ok && got != wantEven[0] {
			t.Fatalf("first even slot for %v, descending %v: %v %v, want first of %v", need, descending, got, ok, wantEven)
		}
		slices.Reverse(wantEven)
	}
	if got := s.index.Count(&need); got != len(want) {
		t.Fatalf("%d have room for %v, want %d", got, need, len(want))
	}
}

type fatal interface {
	Helper()
	Fatalf(format string, args ...any)
}

func TestIndexFindsWhatAScanFinds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newShelf()
		slots := rapid.Custom(func(t *rapid.T) Slot { return Slot(rapid.IntRange(0, 300).Draw(t, "slot")) })
		scores := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64Range(0, 1000), rapid.Int64())
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				s.put(slots.Draw(t, "slot"), scores.Draw(t, "score"), vectors.Draw(t, "free"))
			},
			"drop": func(t *rapid.T) {
				s.drop(slots.Draw(t, "slot"))
			},
			"change room only": func(t *rapid.T) {
				if m, in := s.slots[slots.Draw(t, "slot")]; in {
					m.free = vectors.Draw(t, "free")
				}
				for slot, m := range s.slots {
					s.index.Put(slot, m.score, &m.free)
				}
			},
			"put many": func(t *rapid.T) {
				chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
				spread := rapid.SampledFrom([]int64{1, 3, 1_000_000}).Draw(t, "spread")
				for range rapid.IntRange(1, 200).Draw(t, "many") {
					s.put(Slot(chance.IntN(300)), chance.Int64N(spread), Vector{chance.Int64N(5), chance.Int64N(5000)})
				}
			},
			"drop many": func(t *rapid.T) {
				from := slots.Draw(t, "from")
				for slot := from; slot < from+100; slot++ {
					s.drop(slot)
				}
			},
			"": func(t *rapid.T) {
				if slot := slots.Draw(t, "slot"); s.index.Has(slot) != (s.slots[slot] != nil) {
					t.Fatalf("slot %d: in %v", slot, s.index.Has(slot))
				}
				s.check(t, vectors.Draw(t, "need"))
				s.index.tree.check(t)
			},
		})
	})
}

// Long histories in one tree of several levels, that grows and goes to nothing.
func TestIndexGrowsAndShrinks(t *testing.T) {
	chance := rand.New(rand.NewPCG(1, 2))
	s := newShelf()
	for _, size := range []int{20_000, 300, 5_000, 0} {
		for len(s.slots) < size {
			s.put(Slot(chance.IntN(30_000)), chance.Int64N(9000), Vector{chance.Int64N(1 << 36), 3: chance.Int64N(100)})
		}
		for slot := range s.slots {
			if len(s.slots) <= size {
				break
			}
			s.drop(slot)
		}
		s.index.tree.check(t)
		s.check(t, Vector{chance.Int64N(1 << 36), 3: chance.Int64N(100)})
		s.check(t, Vector{1 << 35, 3: 90})
	}
	if height := s.index.tree.height; height != 0 {
		t.Fatalf("an empty tree is %d levels high", height)
	}
	if used := len(s.index.tree.nodes) - len(s.index.tree.free); used != 1 {
		t.Fatalf("an empty tree has %d nodes", used)
	}
}

// check holds a tree against what it promises itself.
func (t *tree) check(fail fatal) {
	fail.Helper()
	used := t.checkNode(fail, t.root, 0)
	if used+len(t.free) != len(t.nodes) {
		fail.Fatalf("%d nodes are used and %d free, of %d", used, len(t.free), len(t.nodes))
	}
}

func (t *tree) checkNode(fail fatal, number int32, depth int) (used int) {
	fail.Helper()
	nd := &t.nodes[number]
	if depth == t.height {
		if nd.branch {
			fail.Fatalf("node %d is no leaf", number)
		}
		return 1
	}
	if nd.n == 0 || !nd.branch {
		fail.Fatalf("node %d at depth %d: %d lines, branch %v", number, depth, nd.n, nd.branch)
	}
	for i, child := range nd.child[:nd.n] {
		if got, want := nd.line(i), t.about(child); got != want {
			fail.Fatalf("line %d at depth %d is %v, want %v", i, depth, got, want)
		}
		used += t.checkNode(fail, child, depth+1)
	}
	return used + 1
}

// A cluster in which all machines are alike is the usual one, and must not be
// the slow one.
func TestTiesAreNotLookedThrough(t *testing.T) {
	asked := 0
	index := New(func(a, b Slot) bool { return odd(a) < odd(b) })
	for slot := range Slot(10_000) {
		index.Put(slot, 7, &Vector{1 << 36, 8000})
	}
	slot, ok := index.First(&Vector{1 << 30, 100}, false, func(Slot) bool {
		asked++
		return true
	})
	if !ok || odd(slot) != 0 {
		t.Fatalf("found %d %v, want the first in order", slot, ok)
	}
	if asked > fanout {
		t.Fatalf("looked at %d machines", asked)
	}
}

func TestASearchAllocatesNothing(t *testing.T) {
	s := newShelf()
	for slot := range Slot(2000) {
		s.put(slot, int64(slot*7919%2000), Vector{int64(slot)})
	}
	turn := int64(0)
	allocations := testing.AllocsPerRun(1000, func() {
		turn++
		need := Vector{turn}
		cursor := s.index.Seek(&need, turn%2 == 0)
		slot, ok := cursor.Next()
		if !ok {
			t.Fatal("nothing has room")
		}
		s.index.Put(slot, turn*31%2000, &Vector{2000})
		seen := 0
		s.index.First(&need, false, func(Slot) bool {
			seen++
			return seen > 1
		})
	})
	if allocations != 0 {
		t.Fatalf("%v allocations", allocations)
	}
}
