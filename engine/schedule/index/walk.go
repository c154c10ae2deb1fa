package index

import "math/bits"

// walk visits all entries whose room covers what is wanted, in the order of the
// tree, which is that of no score.
type walk struct {
	tree   *tree
	wanted code
	depth  int // -1 at the end
	way    [maxHeight]visit
}

// visit is a node that was entered, and the lines that are still to be seen.
type visit struct {
	node int32
	left uint64
}

func (t *tree) walk(wanted code) walk {
	w := walk{tree: t, wanted: wanted, depth: -1}
	w.enter(t.root)
	return w
}

func (w *walk) enter(number int32) {
	w.depth++
	w.way[w.depth] = visit{number, w.tree.nodes[number].covering(w.wanted)}
}

// next returns the next leaf and line; the leaf is nil at the end.
func (w *walk) next() (leaf *node, i int) {
	for w.depth >= 0 {
		at := &w.way[w.depth]
		if at.left == 0 {
			w.depth--
			continue
		}
		i = bits.TrailingZeros64(at.left)
		at.left &= at.left - 1
		nd := &w.tree.nodes[at.node]
		if !nd.branch {
			return nd, i
		}
		w.enter(nd.child[i])
	}
	return nil, 0
}
