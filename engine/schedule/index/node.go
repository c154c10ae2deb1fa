package index

// fanout is a node's capacity. Larger ones skip more at once, but are less often
// skipped and cost more to change.
const fanout = 32

// Slot is a machine: a dense small number that the caller gives out.
type Slot int32

// entry is what a tree holds: ordered by key, then by the tree's less.
type entry struct {
	key  int64
	slot Slot
	room code
}

// node holds entries, if it is a leaf, or one line per child: the child's first
// entry with the maximum of the rooms below it.
//
// The columns are apart because a search reads little else than one of them.
type node struct {
	n     int
	low   [fanout]uint64 // the rooms' halves
	high  [fanout]uint64
	keys  [fanout]int64
	slots [fanout]Slot
	child [fanout]int32
}

func (nd *node) set(i int, e entry, child int32) {
	nd.keys[i], nd.slots[i], nd.child[i] = e.key, e.slot, child
	nd.setRoom(i, e.room)
}

func (nd *node) room(i int) code { return code{nd.low[i], nd.high[i]} }

func (nd *node) setRoom(i int, room code) { nd.low[i], nd.high[i] = room.low, room.high }

func (nd *node) entry(i int) entry { return entry{nd.keys[i], nd.slots[i], nd.room(i)} }

func (nd *node) insert(i int, e entry, child int32) {
	end := nd.n
	nd.n++
	copy(nd.keys[i+1:end+1], nd.keys[i:end])
	copy(nd.low[i+1:end+1], nd.low[i:end])
	copy(nd.high[i+1:end+1], nd.high[i:end])
	copy(nd.slots[i+1:end+1], nd.slots[i:end])
	copy(nd.child[i+1:end+1], nd.child[i:end])
	nd.set(i, e, child)
}

func (nd *node) remove(i int) {
	end := nd.n
	nd.n--
	copy(nd.keys[i:], nd.keys[i+1:end])
	copy(nd.low[i:], nd.low[i+1:end])
	copy(nd.high[i:], nd.high[i+1:end])
	copy(nd.slots[i:], nd.slots[i+1:end])
	copy(nd.child[i:], nd.child[i+1:end])
}

// keeps reports whether a leaf's line can have another key and stay where it is,
// between two neighbours in the same leaf.
func (nd *node) keeps(i int, key int64) bool {
	return nd.keys[i] == key || i > 0 && i+1 < nd.n && nd.keys[i-1] < key && key < nd.keys[i+1]
}

// take moves what other holds from its line i on to the end of nd.
func (nd *node) take(other *node, i int) {
	copy(nd.keys[nd.n:], other.keys[i:other.n])
	copy(nd.low[nd.n:], other.low[i:other.n])
	copy(nd.high[nd.n:], other.high[i:other.n])
	copy(nd.slots[nd.n:], other.slots[i:other.n])
	copy(nd.child[nd.n:], other.child[i:other.n])
	nd.n += other.n - i
	other.n = i
}

// line is what the parent says about a node that is not empty.
func (nd *node) line() entry {
	return entry{nd.keys[0], nd.slots[0], nd.maximum(code{^uint64(0), ^uint64(0)})}
}

// maximum joins the rooms. It may stop early at a value known to be an upper
// bound, which is what a maximum was before something was taken away.
func (nd *node) maximum(bound code) code {
	joined := code{guards, guards}
	for i := range nd.n {
		joined = joined.join(nd.room(i))
		if joined == bound {
			break
		}
	}
	return joined
}

// up returns the first line from i on whose room covers wanted, or -1.
func (nd *node) up(i int, wanted code) int {
	low := nd.low[:nd.n]
	for ; i < len(low); i++ {
		if coversHalf(low[i], wanted.low) && coversHalf(nd.high[i], wanted.high) {
			return i
		}
	}
	return -1
}

// down returns the last line up to i whose room covers wanted, or -1.
func (nd *node) down(i int, wanted code) int {
	for ; i >= 0; i-- {
		if coversHalf(nd.low[i], wanted.low) && coversHalf(nd.high[i], wanted.high) {
			return i
		}
	}
	return -1
}
