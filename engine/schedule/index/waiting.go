package index

import "math/bits"

// Waiting holds those that wait for room, by numbers the caller gives out
// (dense and small, as slots are), each with what it needs.
//
// The tree holds the opposites of needs: the smaller the need, the larger its
// code, and a subtree's maximum is the least that anything in it asks for.
type Waiting struct {
	tree tree
	ids  []want // by id
	n    int
}

// want is what is known of one that waits.
type want struct {
	in   bool
	key  int64
	need Vector
}

// NewWaiting returns an empty set.
func NewWaiting() *Waiting {
	return &Waiting{tree: newTree(func(a, b Slot) bool { return a < b })}
}

// Len returns how many wait.
func (w *Waiting) Len() int { return w.n }

// Has reports whether id waits.
func (w *Waiting) Has(id int32) bool {
	return int(id) < len(w.ids) && w.ids[id].in
}

// Put adds one that waits, or changes what it needs.
func (w *Waiting) Put(id int32, need *Vector) {
	if missing := int(id) + 1 - len(w.ids); missing > 0 {
		w.ids = append(w.ids, make([]want, missing)...)
	}
	known := &w.ids[id]
	if known.in && known.need == *need {
		return
	}
	w.Drop(id)
	down, _ := encode(need)
	*known = want{true, neighbourhood(need), *need}
	w.tree.insert(entry{known.key, Slot(id), down.opposite().guarded()})
	w.n++
}

// Drop takes one out, if it is in.
func (w *Waiting) Drop(id int32) {
	if !w.Has(id) {
		return
	}
	w.tree.remove(w.ids[id].key, Slot(id))
	w.ids[id].in = false
	w.n--
}

// Fitting yields each one that fits into free by itself, until yield returns
// false: those of similar needs after one another, equal ones by id. yield must
// not Put or Drop.
func (w *Waiting) Fitting(free *Vector, yield func(id int32) bool) {
	room, _ := encode(free)
	walk := w.tree.walk(room.opposite(), false)
	for leaf, line := walk.next(); leaf != nil; leaf, line = walk.next() {
		id := int32(leaf.slots[line])
		if free.covers(&w.ids[id].need) && !yield(id) {
			return
		}
	}
}

// neighbourhood is a key under which needs that are alike in all dimensions are
// near each other: the logarithms of the dimensions to a quarter, as bits from
// the most significant one on, one dimension after the other (a Z-order curve).
func neighbourhood(need *Vector) int64 {
	var logarithms [Dims]uint64
	for d, amount := range need {
		if amount > 0 {
			length := bits.Len64(uint64(amount))
			logarithms[d] = uint64(length)<<2 | uint64(amount)<<(64-length)>>61&3
		}
	}
	var key uint64
	for bit := 7; bit >= 0; bit-- {
		for d := range logarithms {
			key = key<<1 | logarithms[d]>>bit&1
		}
	}
	return int64(key >> 1) // never negative, for the last bit of the last dimension
}
