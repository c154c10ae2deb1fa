package schedule

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"fleet/cluster"
)

// set is what has to be looked at. An empty set holds no memory, and is walked
// at no cost, however large it has been.
type set[K comparable] struct{ of map[K]struct{} }

func (q *set[K]) add(k K) {
	if q.of == nil {
		q.of = make(map[K]struct{})
	}
	q.of[k] = struct{}{}
}

// put adds k, or drops it.
func (q *set[K]) put(k K, in bool) {
	if in {
		q.add(k)
		return
	}
	q.drop(k)
}

func (q *set[K]) has(k K) bool { _, ok := q.of[k]; return ok }

func (q *set[K]) drop(k K) {
	delete(q.of, k)
	if len(q.of) == 0 {
		q.of = nil
	}
}

func (q *set[K]) empty() bool { return len(q.of) == 0 }

func byAge(a, b *task) int {
	return cmp.Or(cmp.Compare(a.record.Generation, b.record.Generation), strings.Compare(string(a.name), string(b.name)))
}

// newer tells whether a was asked for after b.
func newer(a, b *task) bool { return byAge(a, b) > 0 }

func sortedTasks[V any](set map[*task]V) []*task { return slices.SortedFunc(maps.Keys(set), byAge) }

// byUrgency: the unit of the higher priority is served first, of the same priority the one that was requested first.
func byUrgency(a, b *task) int {
	return cmp.Or(-cmp.Compare(a.rules.Priority, b.rules.Priority), byAge(a, b))
}

func sortedMachines[V any](set map[*machine]V) []*machine {
	return slices.SortedFunc(maps.Keys(set), byID)
}

func byID(a, b *machine) int { return cmp.Compare[cluster.MachineID](a.id, b.id) }
