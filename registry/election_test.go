package registry

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"fleet/cluster"
)

// Who leads, and whom each of the others waits for, is as in a queue that is sorted anew after every event.
func TestCandidatesLeadInTheOrderInWhichTheyCame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e election
		var queue []Pair
		for revision := range rapid.Int64Range(1, 40).Draw(t, "events") {
			key := rapid.SampledFrom([]string{"a", "b", "c", "d", "e"}).Draw(t, "key")
			event := Event{Deleted: rapid.Bool().Draw(t, "deleted"), Pair: Pair{Key: key, Created: revision, Mod: revision}}
			i := slices.IndexFunc(queue, func(p Pair) bool { return p.Key == key })
			if !event.Deleted {
				event.Lease = rapid.Int64Range(0, 3).Draw(t, "lease")
				event.Value = fmt.Append(nil, key, revision)
				if i >= 0 && rapid.Bool().Draw(t, "again") {
					event.Created = queue[i].Created
				}
			}
			e.take(event)
			if i >= 0 {
				queue = slices.Delete(queue, i, i+1)
			}
			if !event.Deleted && event.Lease != 0 {
				queue = append(queue, event.Pair)
				slices.SortFunc(queue, func(a, b Pair) int { return cmp.Compare(a.Created, b.Created) })
			}

			var leader cluster.MachineID
			if len(queue) > 0 {
				leader = cluster.MachineID(queue[0].Value)
			}
			if rapid.Bool().Draw(t, "asked") && e.leader() != leader {
				t.Fatalf("%q leads, of %v", e.leader(), queue)
			}
			for i, p := range queue {
				own, previous := e.place(p.Key)
				if own == nil || own.Mod != p.Mod {
					t.Fatalf("%s is %v, not %v", p.Key, own, p)
				}
				if (previous == nil) != (i == 0) || previous != nil && previous.Key != queue[i-1].Key {
					t.Fatalf("%s waits for %v, of %v", p.Key, previous, queue)
				}
			}
		}
		if own, previous := e.place("nobody"); own != nil || previous != nil {
			t.Fatalf("nobody is %v and waits for %v", own, previous)
		}
	})
}
