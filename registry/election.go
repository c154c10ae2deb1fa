package registry

import (
	"cmp"

	"fleet/cluster"
)

// election is who wants to lead: the candidate whose key was created first
// leads, the others wait in order of creation. The zero value has none.
type election struct {
	candidates map[string]Pair // by key
	first      string          // the key of the one that leads; empty if that is to be found out
}

// take in what happened to a key. A key that is bound to no lease is nobody's
// candidacy: it would lead for ever.
func (e *election) take(event Event) {
	if event.Key == e.first {
		e.first = ""
	}
	if event.Deleted || event.Lease == 0 {
		delete(e.candidates, event.Key)
		return
	}
	if e.candidates == nil {
		e.candidates = make(map[string]Pair)
	}
	e.candidates[event.Key] = event.Pair
	if e.first != "" && before(event.Pair, e.candidates[e.first]) {
		e.first = event.Key
	}
}

// before tells which of two candidates leads sooner.
func before(a, b Pair) bool {
	return cmp.Or(cmp.Compare(a.Created, b.Created), cmp.Compare(a.Key, b.Key)) < 0
}

// leader is the machine that leads, empty if there is no candidate.
func (e *election) leader() cluster.MachineID {
	if e.first == "" {
		for key, p := range e.candidates {
			if e.first == "" || before(p, e.candidates[e.first]) {
				e.first = key
			}
		}
	}
	return cluster.MachineID(e.candidates[e.first].Value)
}

// place finds a key among the candidates: own is nil if it is not there, and previous, the candidate that its holder
// waits for, if it leads.
func (e *election) place(key string) (own, previous *Pair) {
	p, ok := e.candidates[key]
	if !ok {
		return nil, nil
	}
	for _, other := range e.candidates {
		if before(other, p) && (previous == nil || before(*previous, other)) {
			previous = &other
		}
	}
	return &p, previous
}
