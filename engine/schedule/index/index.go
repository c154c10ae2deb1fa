package index

// Index holds slots in the order of their scores, each with what it has free.
type Index struct {
	tree  tree
	slots []standing // by Slot
	n     int
}

// standing is what the index knows of a slot.
type standing struct {
	in    bool
	score int64
	free  Vector
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
	e := entry{score, s, room.guarded()}
	known := &x.slots[s]
	if known.in {
		x.tree.replace(known.score, e)
	} else {
		x.tree.insert(e)
		x.n++
	}
	*known = standing{true, score, *free}
}

// Drop takes a slot out, if it is in.
func (x *Index) Drop(s Slot) {
	if !x.Has(s) {
		return
	}
	x.tree.remove(x.slots[s].score, s)
	x.slots[s].in = false
	x.n--
}

// Cursor walks over the slots that have room for a need. It is a value without
// anything on the heap, and invalid after the next Put or Drop.
type Cursor struct {
	walk  walk
	slots []standing
	need  Vector
	sure  code // what covers this covers need; no need to compare in full
}

// Seek returns a cursor over the slots with room for need, by ascending score
// (and less), or exactly the other way around.
func (x *Index) Seek(need *Vector, descending bool) Cursor {
	wanted, sure := encode(need)
	return Cursor{x.tree.walk(wanted, descending), x.slots, *need, sure}
}

// Next returns the next slot that has room, or false after the last one.
func (c *Cursor) Next() (Slot, bool) {
	for {
		leaf, line := c.walk.next()
		if leaf == nil {
			return 0, false
		}
		slot := leaf.slots[line]
		if leaf.room(line).covers(c.sure) || c.slots[slot].free.covers(&c.need) {
			return slot, true
		}
	}
}

// Count returns how many slots have room for need. It looks at each of them,
// for about a nanosecond, and skips what a cursor skips.
func (x *Index) Count(need *Vector) int {
	n := 0
	cursor := x.Seek(need, false)
	for _, ok := cursor.Next(); ok; _, ok = cursor.Next() {
		n++
	}
	return n
}
