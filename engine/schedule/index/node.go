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
type node struct {
	n     int
	keys  [fanout]int64
	rooms [fanout]code
	slots [fanout]Slot
	child [fanout]int32
}

func (nd *node) set(i int, e entry, child int32) {
	nd.keys[i], nd.slots[i], nd.rooms[i], nd.child[i] = e.key, e.slot, e.room, child
}

func (nd *node) insert(i int, e entry, child int32) {
	end := nd.n
	nd.n++
	copy(nd.keys[i+1:end+1], nd.keys[i:end])
	copy(nd.rooms[i+1:end+1], nd.rooms[i:end])
	copy(nd.slots[i+1:end+1], nd.slots[i:end])
	copy(nd.child[i+1:end+1], nd.child[i:end])
	nd.set(i, e, child)
}

func (nd *node) remove(i int) {
	end := nd.n
	nd.n--
	copy(nd.keys[i:], nd.keys[i+1:end])
	copy(nd.rooms[i:], nd.rooms[i+1:end])
	copy(nd.slots[i:], nd.slots[i+1:end])
	copy(nd.child[i:], nd.child[i+1:end])
}

// take moves what other holds from its line i on to the end of nd.
func (nd *node) take(other *node, i int) {
	copy(nd.keys[nd.n:], other.keys[i:other.n])
	copy(nd.rooms[nd.n:], other.rooms[i:other.n])
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
	for i := range nd.rooms[:nd.n] {
		joined = joined.join(nd.rooms[i])
		if joined == bound {
			break
		}
	}
	return joined
}

// up returns the first line from i on whose room covers wanted, or -1.
func (nd *node) up(i int, wanted code) int {
	rooms := nd.rooms[:nd.n]
	for ; i < len(rooms); i++ {
		if rooms[i].covers(wanted) {
			return i
		}
	}
	return -1
}

// down returns the last line up to i whose room covers wanted, or -1.
func (nd *node) down(i int, wanted code) int {
	for ; i >= 0; i-- {
		if nd.rooms[i].covers(wanted) {
			return i
		}
	}
	return -1
}
