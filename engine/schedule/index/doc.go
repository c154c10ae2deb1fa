// Package index answers two questions of the scheduler exactly, without a look
// at everything there is: which is the best machine that has room for this
// (Index), and which of those that wait fit into this room (Waiting).
//
// Both are the same tree of small nodes (tree.go), in which what is alike in
// shape stands side by side: almost full machines of one kind here, half empty
// ones there. Beside each entry, and beside each subtree as the maximum of its
// entries, stands a code: the eight dimensions of a vector in sixteen bits each
// (vector.go). One subtraction compares all of them, so a subtree in which
// nothing fits is skipped for about a nanosecond. Codes are rounded; what passes
// by its code only is compared again in full: no answer is approximate.
//
// An Index knows of each subtree also the lowest and the highest score in it. A
// search (search.go) goes first where the score promises most, and nowhere where
// it promises less than what is already found. Waiting asks for all that fit,
// which needs no scores (walk.go).
//
// Only dimensions that are asked for count: a need of zero or less is met by any
// room, also by the negative room of a machine whose capacity was lowered.
//
// Put and Drop cost O(log n). A search usually reads some ten to twenty nodes,
// hardly more for 100,000 machines than for 10,000; in the worst case, when
// everything is alike and lacks now this and now that, it reads everything, at a
// few nanoseconds each. Nothing is allocated except to grow, and nothing that was
// grown is given back. All answers, and the order in which things are yielded,
// depend on what is in and never on the history that led there.
//
// Not promised: use by several goroutines at once (not even for reading while
// one writes), cursors that survive a change, and more than some tens of
// millions of entries.
package index
