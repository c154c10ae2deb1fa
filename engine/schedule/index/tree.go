package index

// maxHeight is more than a tree of some tens of millions of entries needs.
const maxHeight = 12

// tree is an ordered set of entries. All leaves are at the same depth. Nodes
// live side by side and know each other by number: nothing for the garbage
// collector to follow, and those that were freed are used again.
//
// A node that shrinks to few lines is merged into a neighbour that has space
// for them; so neighbours are never both small, and the height is logarithmic.
type tree struct {
	less   func(a, b Slot) bool
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

// before counts the lines of a node that come before an entry.
func (t *tree) before(nd *node, key int64, slot Slot) int {
	low, high := 0, nd.n
	for low < high {
		middle := int(uint(low+high) / 2)
		k := nd.keys[middle]
		if k < key || k == key && t.less(nd.slots[middle], slot) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return low
}

func (t *tree) insert(e entry) {
	if t.nodes[t.root].n == fanout {
		t.grow()
	}
	at := t.root
	for range t.height {
		nd := &t.nodes[at]
		i := max(t.before(nd, e.key, e.slot)-1, 0)
		if t.nodes[nd.child[i]].n == fanout {
			t.split(at, i)
			nd = &t.nodes[at]
			i = max(t.before(nd, e.key, e.slot)-1, 0)
		}
		if i == 0 && t.precedes(e, nd) {
			nd.keys[0], nd.slots[0] = e.key, e.slot
		}
		nd.setRoom(i, nd.room(i).join(e.room))
		at = nd.child[i]
	}
	leaf := &t.nodes[at]
	leaf.insert(t.before(leaf, e.key, e.slot), e, 0)
}

// precedes reports whether an entry comes before all that a node holds.
func (t *tree) precedes(e entry, nd *node) bool {
	return e.key < nd.keys[0] || e.key == nd.keys[0] && t.less(e.slot, nd.slots[0])
}

// grow puts a new root above a full one.
func (t *tree) grow() {
	old := t.root
	t.root = t.allocate()
	t.nodes[t.root].insert(0, t.nodes[old].line(), old)
	t.height++
}

// split moves half of a full child into a new one beside it.
func (t *tree) split(parent int32, i int) {
	fresh := t.allocate()
	nd := &t.nodes[parent]
	left, right := &t.nodes[nd.child[i]], &t.nodes[fresh]
	right.take(left, fanout/2)
	nd.setRoom(i, left.line().room)
	nd.insert(i+1, right.line(), fresh)
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
func (t *tree) find(key int64, slot Slot) (way path) {
	at := t.root
	for depth := range t.height + 1 {
		nd := &t.nodes[at]
		i := t.before(nd, key, slot)
		if depth < t.height && (i == nd.n || nd.slots[i] != slot) {
			i--
		}
		way[depth] = step{at, int32(i)}
		at = nd.child[i]
	}
	return way
}

func (t *tree) remove(key int64, slot Slot) {
	way := t.find(key, slot)
	t.removeAt(&way)
}

func (t *tree) removeAt(way *path) {
	last := way[t.height]
	leaf := &t.nodes[last.node]
	gone := leaf.room(int(last.line))
	leaf.remove(int(last.line))
	for depth := t.height - 1; depth >= 0; depth-- {
		if !t.shrunk(way[depth], gone) {
			return
		}
	}
	t.lower()
}

// shrunk tells a parent that its child has lost an entry, and reports whether
// the parent's own line may have changed by that.
func (t *tree) shrunk(at step, gone code) bool {
	nd, i := &t.nodes[at.node], int(at.line)
	child := &t.nodes[nd.child[i]]
	if child.n == 0 {
		t.release(nd, i)
		return true
	}
	if child.n <= few && t.merge(nd, i) {
		return true
	}
	line := entry{child.keys[0], child.slots[0], nd.room(i)}
	if gone.reaches(line.room) {
		line.room = child.maximum(line.room)
	}
	if line == nd.entry(i) {
		return false
	}
	nd.set(i, line, nd.child[i])
	return true
}

// merge empties a small child into a neighbour, if one has space for it.
func (t *tree) merge(nd *node, i int) bool {
	left := i
	switch {
	case i > 0 && t.nodes[nd.child[i-1]].n <= roomy:
		left = i - 1
	case i+1 < nd.n && t.nodes[nd.child[i+1]].n <= roomy:
	default:
		return false
	}
	child := &t.nodes[nd.child[left]]
	child.take(&t.nodes[nd.child[left+1]], 0)
	nd.set(left, child.line(), nd.child[left])
	t.release(nd, left+1)
	return true
}

func (t *tree) release(nd *node, i int) {
	t.free = append(t.free, nd.child[i])
	nd.remove(i)
}

// lower takes away roots that have only one child left, or none.
func (t *tree) lower() {
	for t.height > 0 && t.nodes[t.root].n <= 1 {
		root := &t.nodes[t.root]
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

// replace gives the entry of a slot, which has been in under key, another key
// and room.
func (t *tree) replace(key int64, e entry) {
	way := t.find(key, e.slot)
	last := way[t.height]
	if !t.nodes[last.node].keeps(int(last.line), e.key) {
		t.removeAt(&way)
		t.insert(e)
		return
	}
	leaf, i := &t.nodes[last.node], int(last.line)
	gone := leaf.room(i)
	leaf.keys[i] = e.key
	leaf.setRoom(i, e.room)
	for depth := t.height - 1; depth >= 0; depth-- {
		nd, i := &t.nodes[way[depth].node], int(way[depth].line)
		room := nd.room(i).join(e.room)
		if gone.reaches(nd.room(i)) {
			room = t.nodes[nd.child[i]].maximum(room)
		}
		if room == nd.room(i) {
			return
		}
		nd.setRoom(i, room)
	}
}
