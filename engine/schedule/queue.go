package schedule

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"fleet/cluster"
)

// queue is a set of units that is worked off in the order in which users asked
// for them.
type queue struct{ set map[*task]struct{} }

func (q *queue) add(t *task) {
	if q.set == nil {
		q.set = make(map[*task]struct{})
	}
	q.set[t] = struct{}{}
}

func (q *queue) has(t *task) bool { _, ok := q.set[t]; return ok }

func (q *queue) drop(t *task) { delete(q.set, t) }

// take empties the queue.
func (q *queue) take() []*task {
	if len(q.set) == 0 {
		return nil
	}
	batch := sortedTasks(q.set)
	clear(q.set)
	return batch
}

func byAge(a, b *task) int {
	return cmp.Or(cmp.Compare(a.record.Generation, b.record.Generation), strings.Compare(string(a.name), string(b.name)))
}

// newer tells whether a was asked for after b.
func newer(a, b *task) bool { return byAge(a, b) > 0 }

func sortedTasks[V any](set map[*task]V) []*task { return slices.SortedFunc(maps.Keys(set), byAge) }

func sortedMachines[V any](set map[*machine]V) []*machine {
	return slices.SortedFunc(maps.Keys(set), byID)
}

func byID(a, b *machine) int { return cmp.Compare[cluster.MachineID](a.id, b.id) }
