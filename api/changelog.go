package api

import (
	"cmp"
	"maps"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// rememberedChanges is how many changed units and machines a changelog remembers.
const rememberedChanges = 1 << 16

// changelog remembers which units and machines have changed at which revision, so
// that whoever has seen the cluster at one of them can be told the rest alone.
type changelog struct {
	floor int64    // everything that changed after this revision is remembered
	steps []change // oldest first
	size  int      // of all steps
	limit int
}

type change struct {
	revision int64
	names    []unit.Name
	ids      []cluster.MachineID // machines that are present, or were
	away     []cluster.MachineID // machines that are known, and were and are not present
}

func (c change) size() int { return len(c.names) + len(c.ids) + len(c.away) }

// add takes in what changed at a revision that is newer than all before.
func (l *changelog) add(step change) {
	if step.size() == 0 {
		return
	}
	l.steps = append(l.steps, step)
	l.size += step.size()
	for l.size > l.limit {
		l.floor = l.steps[0].revision
		l.size -= l.steps[0].size()
		l.steps[0] = change{}
		l.steps = l.steps[1:]
	}
}

// begin forgets everything: what lies before the revision is not known.
func (l *changelog) begin(revision int64) {
	*l = changelog{floor: revision, limit: l.limit}
}

// since returns the steps after a revision, if all of them are remembered.
func (l *changelog) since(revision int64) ([]change, bool) {
	if revision < l.floor {
		return nil, false
	}
	first, found := slices.BinarySearchFunc(l.steps, revision, func(step change, r int64) int {
		return cmp.Compare(step.revision, r)
	})
	if found {
		first++
	}
	return slices.Clone(l.steps[first:]), true
}

// merged returns what has changed in any of the steps, sorted; of machines that are not present only if they are asked for.
func merged(steps []change, absent bool) ([]unit.Name, []cluster.MachineID) {
	names, ids := make(map[unit.Name]struct{}), make(map[cluster.MachineID]struct{})
	for _, step := range steps {
		for _, name := range step.names {
			names[name] = struct{}{}
		}
		for _, id := range step.ids {
			ids[id] = struct{}{}
		}
		for _, id := range step.away {
			if absent {
				ids[id] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), slices.Sorted(maps.Keys(ids))
}
