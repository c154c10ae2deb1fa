package index

import (
	"math"
	"math/bits"
)

// search finds the first mark, from one end of the order, that has room and is
// accepted. It goes down where the promise is best, and nowhere where the room
// or the promise is less than what it already has.
type search struct {
	tree   *tree
	slots  []standing
	need   *Vector
	wanted code
	sure   code // what covers this covers need; no need to compare in full
	accept func(Slot) bool

	// turn is 0, or -1 to search from the other end: scores are compared after
	// an exclusive or with it, which turns their order around.
	turn int64

	past  bool // only what comes after bound is looked for
	bound mark // its score turned
	found bool
	best  mark // its score turned, and the largest there is before one is found
}

func (x *Index) search(need *Vector, descending bool) search {
	s := search{tree: &x.tree, slots: x.slots, need: need}
	s.wanted, s.sure = encode(need)
	s.best.score = math.MaxInt64
	if descending {
		s.turn = -1
	}
	return s
}

// better reports whether a, its score turned, comes before b.
func (s *search) better(a, b mark) bool {
	if a.score != b.score || a.slot == b.slot {
		return a.score < b.score
	}
	if s.turn != 0 {
		a, b = b, a
	}
	return s.tree.less(a.slot, b.slot)
}

// possible reports whether something between nearest and farthest can be the
// result.
func (s *search) possible(nearest, farthest mark) bool {
	return (!s.found || s.better(nearest, s.best)) && (!s.past || s.better(s.bound, farthest))
}

func (s *search) below(number int32) {
	nd := &s.tree.nodes[number]
	covering := nd.covering(s.wanted)
	if !nd.branch {
		s.leaf(nd, covering)
		return
	}
	for covering != 0 {
		var i int
		i, covering = s.choose(nd, covering)
		if i >= 0 {
			s.below(nd.child[i])
		}
	}
}

// choose returns the most promising of some lines, and those of the others that
// are not yet out of the question.
func (s *search) choose(nd *node, lines uint64) (chosen int, rest uint64) {
	nearScores, nearSlots := &nd.scores, &nd.firstSlots
	farScores, farSlots := &nd.lastScores, &nd.lastSlots
	if s.turn != 0 {
		nearScores, farScores = farScores, nearScores
		nearSlots, farSlots = farSlots, nearSlots
	}
	chosen = -1
	promise := mark{score: math.MaxInt64}
	for ; lines != 0; lines &= lines - 1 {
		i := bits.TrailingZeros64(lines) % fanout
		score := nearScores[i] ^ s.turn
		if score > s.best.score {
			continue
		}
		nearest := mark{score, nearSlots[i]}
		if !s.possible(nearest, mark{farScores[i] ^ s.turn, farSlots[i]}) {
			continue
		}
		rest |= 1 << i
		if chosen < 0 || s.better(nearest, promise) {
			chosen, promise = i, nearest
		}
	}
	if chosen >= 0 {
		rest &^= 1 << chosen
	}
	return chosen, rest
}

func (s *search) leaf(nd *node, lines uint64) {
	for ; lines != 0; lines &= lines - 1 {
		i := bits.TrailingZeros64(lines) % fanout
		m := mark{nd.scores[i] ^ s.turn, nd.slots[i]}
		if m.score > s.best.score || !s.possible(m, m) {
			continue
		}
		if !nd.room(i).covers(s.sure) && !s.slots[m.slot].free.covers(s.need) {
			continue
		}
		if s.accept == nil || s.accept(m.slot) {
			s.found, s.best = true, m
		}
	}
}
