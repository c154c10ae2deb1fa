package index

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
	in       bool
	position uint64
	need     Vector
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
	*known = want{true, position(need), *need}
	w.tree.insert(entry(known.position, mark{int64(id), Slot(id)}, down.opposite().guarded()))
	w.n++
}

// Drop takes one out, if it is in.
func (w *Waiting) Drop(id int32) {
	if !w.Has(id) {
		return
	}
	w.tree.remove(w.ids[id].position, Slot(id))
	w.ids[id].in = false
	w.n--
}

// Fitting yields each one that fits into free by itself, until yield returns
// false: those of similar needs after one another, ties by id, whatever the
// history. yield must not Put or Drop.
func (w *Waiting) Fitting(free *Vector, yield func(id int32) bool) {
	room, _ := encode(free)
	walk := w.tree.walk(room.opposite())
	for leaf, i := walk.next(); leaf != nil; leaf, i = walk.next() {
		id := int32(leaf.slots[i])
		if free.covers(&w.ids[id].need) && !yield(id) {
			return
		}
	}
}
