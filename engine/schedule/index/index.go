package index

// Index holds slots, each with a score and with what it has free, and finds the
// first in the order of scores that has room.
type Index struct {
	tree  tree
	slots []standing // by Slot
	n     int
}

// standing is what the index knows of a slot.
type standing struct {
	in       bool
	position uint64
	free     Vector
}

// New returns an empty index. less orders slots of equal score; it must be a
// total order of the slots that are in, and must not change while they are.
func New(less func(a, b Slot) bool) *Index {
	return &Index{tree: newTree(less)}
}

// Len returns how many slots are in.
func (x *Index) Len() int { return x.n }

// Has reports whether a slot is in.
func (x *Index) Has(s Slot) bool {
	return int(s) < len(x.slots) && x.slots[s].in
}

// Put takes a slot in, or gives it another score and other room.
func (x *Index) Put(s Slot, score int64, free *Vector) {
	if missing := int(s) + 1 - len(x.slots); missing > 0 {
		x.slots = append(x.slots, make([]standing, missing)...)
	}
	room, _ := encode(free)
	e := entry(position(free), mark{score, s}, room.guarded())
	known := &x.slots[s]
	if known.in {
		x.tree.replace(known.position, e)
	} else {
		x.tree.insert(e)
		x.n++
	}
	*known = standing{true, e.position, *free}
}

// Drop takes a slot out, if it is in.
func (x *Index) Drop(s Slot) {
	if !x.Has(s) {
		return
	}
	x.tree.remove(x.slots[s].position, s)
	x.slots[s].in = false
	x.n--
}

// First returns the first slot with room for need that is accepted: the lowest
// score or, descending, the highest (and less, in the same direction). accept
// may be nil. It is asked about slots with room that are better than the best
// one so far, in no useful order, and must not change the index.
func (x *Index) First(need *Vector, descending bool, accept func(Slot) bool) (Slot, bool) {
	s := x.search(need, descending)
	s.accept = accept
	s.below(x.tree.root)
	return s.best.slot, s.found
}

// Cursor walks over the slots that have room for a need. It is a value without
// anything on the heap, and invalid after the next Put or Drop.
type Cursor struct {
	index      *Index
	need       Vector
	descending bool
	past       bool
	bound      mark // the last one, as the search had it
}

// Seek returns a cursor over the slots with room for need, by ascending score
// (and less), or exactly the other way around.
func (x *Index) Seek(need *Vector, descending bool) Cursor {
	return Cursor{index: x, need: *need, descending: descending}
}

// Next returns the next slot that has room, or false after the last one. Each
// Next is a search; who expects to pass over many asks for First.
func (c *Cursor) Next() (Slot, bool) {
	s := c.index.search(&c.need, c.descending)
	s.past, s.bound = c.past, c.bound
	s.below(s.tree.root)
	if s.found {
		c.past, c.bound = true, s.best
	}
	return s.best.slot, s.found
}

// Fitting yields every slot with room for need, in no useful order, until yield
// returns false; yield must not change the index. It costs some nanoseconds for
// each that has room.
func (x *Index) Fitting(need *Vector, yield func(Slot) bool) {
	wanted, sure := encode(need)
	walk := x.tree.walk(wanted)
	for leaf, i := walk.next(); leaf != nil; leaf, i = walk.next() {
		slot := leaf.slots[i]
		if (leaf.room(i).covers(sure) || x.slots[slot].free.covers(need)) && !yield(slot) {
			return
		}
	}
}

// Count returns how many slots have room for need, at the cost of Fitting.
func (x *Index) Count(need *Vector) int {
	n := 0
	x.Fitting(need, func(Slot) bool {
		n++
		return true
	})
	return n
}
