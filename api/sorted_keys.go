package api

import (
	"maps"
	"slices"
	"sync"

	"fleet/cluster"
	"fleet/unit"
)

// knownNames are the units that any record names, sorted. The caller holds the lock for reading.
func (c *cache) knownNames() []unit.Name { return c.known.get(c.snapshot.Names) }

// submittedNames are the units with a record, sorted. The caller holds the lock for reading.
func (c *cache) submittedNames() []unit.Name { return c.submitted.get(c.snapshot.Units) }

// reportedNames are the units that present machines report, sorted. The caller holds the lock for reading.
func (c *cache) reportedNames() []unit.Name {
	return c.reported.get(func() []unit.Name {
		var names []unit.Name
		for name, l := range c.located {
			if l.reported {
				names = append(names, name)
			}
		}
		slices.Sort(names)
		return names
	})
}

// presentMachines are the machines with a record, sorted. The caller holds the lock for reading.
func (c *cache) presentMachines() []cluster.MachineID { return c.present.get(c.view().machineIDs) }

// awayMachines are those that are not present and still known, sorted. The caller holds the lock for reading.
func (c *cache) awayMachines() []cluster.MachineID { return c.away.get(c.snapshot.Away) }

// allMachines are those that are present and those that are away, sorted.
func allMachines(present, away []cluster.MachineID) []cluster.MachineID {
	all := slices.Concat(present, away)
	slices.Sort(all)
	return all
}

// sortedKeys is a list that is made when it is asked for. What comes and goes after that is put in when it
// is asked for again: among a hundred thousand names that is a copy, and not another sort. Lists that
// were handed out do not change.
type sortedKeys[K ~string] struct {
	mu    sync.Mutex
	keys  []K
	valid bool
	edits map[K]bool // since keys was made: whether the key is there now
}

// stale makes the list be made anew.
func (s *sortedKeys[K]) stale() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys, s.valid, s.edits = nil, false, nil
}

// put notes that a key is there, or is not.
func (s *sortedKeys[K]) put(key K, there bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.valid {
		return
	}
	if _, has := slices.BinarySearch(s.keys, key); has == there {
		delete(s.edits, key)
		return
	}
	if s.edits == nil {
		s.edits = make(map[K]bool)
	}
	s.edits[key] = there
}

func (s *sortedKeys[K]) get(list func() []K) []K {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.valid {
		s.keys, s.valid = list(), true
		return s.keys
	}
	if len(s.edits) > 0 {
		s.keys, s.edits = edited(s.keys, s.edits), nil
	}
	return s.keys
}

// edited merges edits into a sorted list, and leaves the list alone.
func edited[K ~string](keys []K, edits map[K]bool) []K {
	out := make([]K, 0, len(keys)+len(edits))
	rest := keys
	for _, key := range slices.Sorted(maps.Keys(edits)) {
		i, has := slices.BinarySearch(rest, key)
		out = append(out, rest[:i]...)
		rest = rest[i:]
		if has {
			rest = rest[1:]
		}
		if edits[key] {
			out = append(out, key)
		}
	}
	return append(out, rest...)
}
