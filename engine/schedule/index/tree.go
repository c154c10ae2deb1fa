package index

// maxHeight is more than a tree of some tens of millions of entries needs.
const maxHeight = 12

// tree is a set of entries, those with similar rooms beside each other. All
// leaves are at the same depth. Nodes live side by side and know each other by
// number: nothing for the garbage collector to follow, and those that were
// freed are used again.
//
// A node that shrinks to few lines is merged into a neighbour that has space
// for them; so neighbours are never both small, and the height is logarithmic.
type tree struct {
	less   func(a, b Slot) bool // among marks of equal score
	nodes  []node
	free   []int32
	root   int32
	height int // levels above the leaves
}

// few and roomy decide on merges: a result of at most few+roomy lines is far
// enough from full that the next Put does not split it again.
const (
	few   = fanout / 4
	roomy = fanout / 2
)

func newTree(less func(a, b Slot) bool) tree {
	return tree{less: less, nodes: make([]node, 1)}
}

// step is a line of a node, on the way from the root.
type step struct {
	node int32
	line int32
}

type path [maxHeight]step

func (t *tree) before(a, b mark) bool {
	return a.score < b.score || a.score == b.score && a.slot != b.slot && t.less(a.slot, b.slot)
}

// entry is a leaf's line.
func entry(position uint64, m mark, room code) line {
	return line{position: position, slot: m.slot, room: room, first: m, last: m}
}

func (t *tree) insert(e line) {
	if t.nodes[t.root].n == fanout {
		t.grow()
	}
	at := t.root
	for range t.height {
		nd := &t.nodes[at]
		i := max(nd.seek(e.position, e.slot)-1, 0)
		if t.nodes[nd.child[i]].n == fanout {
			t.split(at, i)
			nd = &t.nodes[at]
			i = max(nd.seek(e.position, e.slot)-1, 0)
		}
		t.widen(nd, i, e)
		at = nd.child[i]
	}
	leaf := &t.nodes[at]
	leaf.insert(leaf.seek(e.position, e.slot), e)
}

// widen makes a line say that an entry is below it. Only the first line of a
// node can be left of where it was.
func (t *tree) widen(nd *node, i int, e line) {
	if i == 0 && (e.position < nd.positions[0] || e.position == nd.positions[0] && e.slot < nd.slots[0]) {
		nd.positions[0], nd.slots[0] = e.position, e.slot
	}
	nd.setRoom(i, nd.room(i).join(e.room))
	if t.before(e.first, nd.first(i)) {
		nd.scores[i], nd.firstSlots[i] = e.first.score, e.first.slot
	}
	if t.before(nd.last(i), e.last) {
		nd.lastScores[i], nd.lastSlots[i] = e.last.score, e.last.slot
	}
}

// about returns what a parent says of a node that is not empty.
func (t *tree) about(number int32) line {
	nd := &t.nodes[number]
	l := nd.line(0)
	l.child = number
	l.room = nd.maximum(code{^uint64(0), ^uint64(0)})
	l.first, l.last = t.marks(nd)
	return l
}

func (t *tree) marks(nd *node) (first, last mark) {
	first, last = nd.first(0), nd.last(0)
	for i := 1; i < nd.n; i++ {
		if m := nd.first(i); t.before(m, first) {
			first = m
		}
		if m := nd.last(i); t.before(last, m) {
			last = m
		}
	}
	return first, last
}

// grow puts a new root above a full one.
func (t *tree) grow() {
	old := t.root
	t.root = t.allocate()
	root := &t.nodes[t.root]
	root.branch = true
	root.insert(0, t.about(old))
	t.height++
}

// split moves half of a full child into a new one beside it.
func (t *tree) split(parent int32, i int) {
	fresh := t.allocate()
	nd := &t.nodes[parent]
	t.nodes[fresh].take(&t.nodes[nd.child[i]], fanout/2)
	nd.set(i, t.about(nd.child[i]))
	nd.insert(i+1, t.about(fresh))
}

func (t *tree) allocate() int32 {
	if last := len(t.free) - 1; last >= 0 {
		fresh := t.free[last]
		t.free = t.free[:last]
		return fresh
	}
	t.nodes = append(t.nodes, node{})
	return int32(len(t.nodes) - 1)
}

// find returns the way to an entry that is in the tree.
func (t *tree) find(position uint64, slot Slot) (way path) {
	at := t.root
	for depth := range t.height + 1 {
		nd := &t.nodes[at]
		i := nd.seek(position, slot)
		if depth < t.height && (i == nd.n || nd.slots[i] != slot) {
			i--
		}
		way[depth] = step{at, int32(i)}
		at = nd.child[i]
	}
	return way
}

func (t *tree) remove(position uint64, slot Slot) {
	way := t.find(position, slot)
	t.removeAt(&way)
}

func (t *tree) removeAt(way *path) {
	end := way[t.height]
	leaf := &t.nodes[end.node]
	gone := leaf.line(int(end.line))
	leaf.remove(int(end.line))
	for depth := t.height - 1; depth >= 0; depth-- {
		nd, i := &t.nodes[way[depth].node], int(way[depth].line)
		if !t.joined(nd, i) && !t.narrow(nd, i, gone) {
			return
		}
	}
	t.lower()
}

// joined takes away a child that is empty, or joins it with a neighbour if it
// is small and there is one with space.
func (t *tree) joined(nd *node, i int) bool {
	child := &t.nodes[nd.child[i]]
	left := i
	switch {
	case child.n == 0:
		t.release(nd, i)
		return true
	case child.n > few:
		return false
	case i > 0 && t.nodes[nd.child[i-1]].n <= roomy:
		left = i - 1
	case i+1 < nd.n && t.nodes[nd.child[i+1]].n <= roomy:
	default:
		return false
	}
	t.nodes[nd.child[left]].take(&t.nodes[nd.child[left+1]], 0)
	nd.set(left, t.about(nd.child[left]))
	t.release(nd, left+1)
	return true
}

func (t *tree) release(nd *node, i int) {
	number := nd.child[i]
	nd.remove(i)
	t.nodes[number].n, t.nodes[number].branch = 0, false
	t.free = append(t.free, number)
}

// narrow corrects a line after an entry below it is gone, and reports whether
// that made a difference.
func (t *tree) narrow(nd *node, i int, gone line) bool {
	was := nd.line(i)
	child := &t.nodes[was.child]
	now := was
	now.position, now.slot = child.positions[0], child.slots[0]
	if gone.room.reaches(was.room) {
		now.room = child.maximum(was.room)
	}
	if gone.slot == was.first.slot || gone.slot == was.last.slot {
		now.first, now.last = t.marks(child)
	}
	if now == was {
		return false
	}
	nd.set(i, now)
	return true
}

// lower takes away roots that have only one child left, or none.
func (t *tree) lower() {
	for t.height > 0 && t.nodes[t.root].n <= 1 {
		root := &t.nodes[t.root]
		root.branch = false
		if root.n == 0 {
			t.height = 0 // nothing is left: an empty root is a leaf
			return
		}
		root.n = 0
		t.free = append(t.free, t.root)
		t.root = root.child[0]
		t.height--
	}
}

// replace gives the entry of a slot, which has been in at position, all else.
func (t *tree) replace(position uint64, e line) {
	way := t.find(position, e.slot)
	end := way[t.height]
	leaf, i := &t.nodes[end.node], int(end.line)
	if !leaf.keeps(i, e.position) {
		t.removeAt(&way)
		t.insert(e)
		return
	}
	gone := leaf.line(i)
	leaf.set(i, e)
	for depth := t.height - 1; depth >= 0; depth-- {
		nd, i := &t.nodes[way[depth].node], int(way[depth].line)
		was := nd.line(i)
		t.narrow(nd, i, gone)
		t.widen(nd, i, e)
		if nd.line(i) == was {
			return
		}
	}
}
