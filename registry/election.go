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

// place finds a key in the queue: own is nil if it is not there, and previous, the candidate that its holder
// waits for, if it leads.
func (e *election) place(key string) (own, previous *Pair) {
	for i := range e.queue {
		if e.queue[i].Key == key {
			return &e.queue[i], previous
		}
		previous = &e.queue[i]
	}
	return nil, nil
}
