package index

import "math/bits"

// search finds the first mark, from one end of the order, that has room and is
// accepted. It goes down where the promise is best, and nowhere where the room
// or the promise is less than what it already has.
type search struct {
	tree    *tree
	slots   []standing
	need    *Vector
	wanted  code
	sure    code // what covers this covers need; no need to compare in full
	reverse bool
	accept  func(Slot) bool // nil: all

	past  bool // only what comes after bound is looked for
	bound mark
	found bool
	best  mark
}

// better reports whether a comes before b, in the direction of the search.
func (s *search) better(a, b mark) bool {
	if s.reverse {
		a, b = b, a
	}
	return s.tree.before(a, b)
}

func (s *search) below(number int32) {
	nd := &s.tree.nodes[number]
	covering := nd.covering(s.wanted)
	if !nd.branch {
		s.leaf(nd, covering)
		return
	}
	for covering != 0 {
		i, rest := s.choose(nd, covering)
		if i < 0 {
			return
		}
		covering = rest
		s.below(nd.child[i])
	}
}

// choose returns the most promising of some lines, and those of the others that
// are not yet out of the question.
func (s *search) choose(nd *node, lines uint64) (chosen int, rest uint64) {
	chosen = -1
	var promise mark
	for ; lines != 0; lines &= lines - 1 {
		i := bits.TrailingZeros64(lines)
		nearest, farthest := nd.first(i), nd.last(i)
		if s.reverse {
			nearest, farthest = farthest, nearest
		}
		if s.found && !s.better(nearest, s.best) || s.past && !s.better(s.bound, farthest) {
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
		i := bits.TrailingZeros64(lines)
		m := mark{nd.scores[i], nd.slots[i]}
		if s.found && !s.better(m, s.best) || s.past && !s.better(s.bound, m) {
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
