// Package index answers two questions of the scheduler exactly, without a look
// at everything there is: which is the best machine that has room for this
// (Index), and which of those that wait fit into this room (Waiting).
//
// Both are one ordered tree of small nodes. Beside each entry, and beside each
// subtree as the maximum of its entries, stands a code: the eight dimensions
// of a vector in sixteen bits each (vector.go). One subtraction compares all of
// them, so a subtree in which nothing can fit is skipped for about a nanosecond.
// Codes are rounded; what passes by its code only is compared again in full, so
// that no answer is ever approximate.
//
// Only dimensions that are asked for count: a need of zero or less is met by any
// room, also by the negative room of a machine whose capacity was lowered.
//
// An Index orders machines by score and finds them in that order, from either
// end. Waiting groups needs that resemble each other, because then a whole group
// is out of the question at once.
//
// Put and Drop cost O(log n). The search is a walk in order that skips subtrees:
// usually a few dozen nodes, but O(n) if each subtree has the room, dimension by
// dimension, and none of its entries has it all. Nothing is allocated except to
// grow, and nothing that was grown is given back. Answers depend on what is in,
// never on the history that led there.
//
// Not promised: use by several goroutines at once (not even for reading while
// one writes), cursors that survive a change, and more than some tens of
// millions of entries.
package index
