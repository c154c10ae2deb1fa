package index

// walk visits the entries whose room covers what is wanted, in either order.
type walk struct {
	tree    *tree
	wanted  code
	descend bool
	depth   int // -1 at the end
	way     path
}

func (t *tree) walk(wanted code, descend bool) walk {
	w := walk{tree: t, wanted: wanted, descend: descend}
	w.enter(0, t.root)
	return w
}

func (w *walk) enter(depth int, number int32) {
	line := int32(0)
	if w.descend {
		line = int32(w.tree.nodes[number].n - 1)
	}
	w.depth = depth
	w.way[depth] = step{number, line}
}

// next returns the next leaf and line; the leaf is nil at the end.
func (w *walk) next() (leaf *node, line int) {
	for w.depth >= 0 {
		at := &w.way[w.depth]
		nd := &w.tree.nodes[at.node]
		i := -1
		if w.descend {
			i = nd.down(int(at.line), w.wanted)
			at.line = int32(i - 1)
		} else {
			i = nd.up(int(at.line), w.wanted)
			at.line = int32(i + 1)
		}
		switch {
		case i < 0:
			w.depth--
		case w.depth == w.tree.height:
			return nd, i
		default:
			w.enter(w.depth+1, nd.child[i])
		}
	}
	return nil, 0
}
