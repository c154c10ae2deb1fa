package registry

import (
	"cmp"
	"slices"

	"fleet/cluster"
)

// election is the queue of those who want to lead: the candidate whose key
// was created first leads, the others wait in order of creation.
type election struct{ queue []Pair }

// take in what happened to a key. A key that is bound to no lease is nobody's
// candidacy: it would lead for ever.
func (e *election) take(event Event) {
	if !event.Deleted && event.Lease == 0 {
		event = Event{Deleted: true, Pair: event.Pair}
	}
	i := slices.IndexFunc(e.queue, func(p Pair) bool { return p.Key == event.Key })
	switch {
	case i >= 0 && event.Deleted:
		e.queue = slices.Delete(e.queue, i, i+1)
	case i >= 0:
		e.queue[i] = event.Pair
	case !event.Deleted:
		e.queue = append(e.queue, event.Pair)
	}
	slices.SortFunc(e.queue, func(a, b Pair) int { return cmp.Compare(a.Created, b.Created) })
}

// leader is the machine that leads, empty if there is no candidate.
func (e *election) leader() cluster.MachineID {
	if len(e.queue) == 0 {
		return ""
	}
	return cluster.MachineID(e.queue[0].Value)
}

// before is the candidate that the holder of a key waits for, nil if it
// leads. present tells whether the key is in the queue at all.
func (e *election) before(key string) (previous *Pair, present bool) {
	i := slices.IndexFunc(e.queue, func(p Pair) bool { return p.Key == key })
	if i <= 0 {
		return nil, i == 0
	}
	return &e.queue[i-1], true
}
