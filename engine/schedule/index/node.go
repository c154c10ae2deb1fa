package index

import "math/bits"

// fanout is a node's capacity. Larger ones skip more at once, but are less often
// skipped and cost more to change. At most 64: a set of lines is a word.
const fanout = 32

// Slot is a machine: a dense small number that the caller gives out.
type Slot int32

// mark is a place in the order of those that are looked for.
type mark struct {
	score int64
	slot  Slot
}

// line is an entry of a leaf or, in the nodes above, what is known of a child:
// where its entries begin, the maximum of their rooms, and the first and last
// mark. Lines are in the order of position and then slot.
type line struct {
	position uint64
	slot     Slot
	child    int32
	room     code
	first    mark
	last     mark
}

// node holds lines, column by column, because a search reads little else than
// the rooms. Leaves do not use the columns of what only a subtree has.
type node struct {
	n      int
	branch bool

	low, high [fanout]uint64 // the rooms' halves
	positions [fanout]uint64
	slots     [fanout]Slot
	scores    [fanout]int64 // of the first mark

	child      [fanout]int32
	firstSlots [fanout]Slot
	lastScores [fanout]int64
	lastSlots  [fanout]Slot
}

func (nd *node) set(i int, l line) {
	nd.positions[i], nd.slots[i], nd.scores[i] = l.position, l.slot, l.first.score
	nd.setRoom(i, l.room)
	if nd.branch {
		nd.child[i] = l.child
		nd.firstSlots[i] = l.first.slot
		nd.lastScores[i], nd.lastSlots[i] = l.last.score, l.last.slot
	}
}

func (nd *node) line(i int) line {
	return line{nd.positions[i], nd.slots[i], nd.child[i], nd.room(i), nd.first(i), nd.last(i)}
}

func (nd *node) setRoom(i int, room code) { nd.low[i], nd.high[i] = room.low, room.high }

func (nd *node) room(i int) code { return code{nd.low[i], nd.high[i]} }

func (nd *node) first(i int) mark {
	if nd.branch {
		return mark{nd.scores[i], nd.firstSlots[i]}
	}
	return mark{nd.scores[i], nd.slots[i]}
}

func (nd *node) last(i int) mark {
	if nd.branch {
		return mark{nd.lastScores[i], nd.lastSlots[i]}
	}
	return mark{nd.scores[i], nd.slots[i]}
}

func (nd *node) insert(i int, l line) {
	nd.move(i+1, nd, i)
	nd.n++
	nd.set(i, l)
}

func (nd *node) remove(i int) {
	nd.move(i, nd, i+1)
	nd.n--
}

// take moves what other holds from its line i on to the end of nd.
func (nd *node) take(other *node, i int) {
	nd.branch = other.branch
	nd.move(nd.n, other, i)
	nd.n += other.n - i
	other.n = i
}

// move copies the lines of from that begin at i, to where they begin at to.
func (nd *node) move(to int, from *node, i int) {
	end := from.n
	copy(nd.low[to:], from.low[i:end])
	copy(nd.high[to:], from.high[i:end])
	copy(nd.positions[to:], from.positions[i:end])
	copy(nd.slots[to:], from.slots[i:end])
	copy(nd.scores[to:], from.scores[i:end])
	if nd.branch {
		copy(nd.child[to:], from.child[i:end])
		copy(nd.firstSlots[to:], from.firstSlots[i:end])
		copy(nd.lastScores[to:], from.lastScores[i:end])
		copy(nd.lastSlots[to:], from.lastSlots[i:end])
	}
}

// seek counts the lines before a position and slot. Without branches that is
// faster than to halve the lines.
func (nd *node) seek(position uint64, slot Slot) int {
	var count uint64
	for _, p := range nd.positions[:nd.n] {
		_, before := bits.Sub64(p, position, 0)
		count += before
	}
	i := int(count)
	for i < nd.n && nd.positions[i] == position && nd.slots[i] < slot {
		i++
	}
	return i
}

// keeps reports whether a leaf's line can have another position and stay where
// it is, between two neighbours in the same leaf.
func (nd *node) keeps(i int, position uint64) bool {
	return nd.positions[i] == position ||
		i > 0 && i+1 < nd.n && nd.positions[i-1] < position && position < nd.positions[i+1]
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

// covering returns the set of lines whose room covers what is wanted.
func (nd *node) covering(wanted code) (set uint64) {
	for i, low := range nd.low[:nd.n] {
		set |= coversBit(low, wanted.low) << i
	}
	if wanted.high == 0 || set == 0 {
		return set
	}
	var also uint64
	for i, high := range nd.high[:nd.n] {
		also |= coversBit(high, wanted.high) << i
	}
	return set & also
}
