package schedule

import (
	"maps"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// file is a unit file, and how many records refer to it.
type file struct {
	file     *unit.File
	err      string // why it cannot be read
	revision int64
	shared   map[unit.Type]*digest // what it demands of units of a type, if that does not depend on their names
	refs     int                   // of unit records and of orders, those of lost machines included
}

// there tells whether the store has the file, readable or not.
func (f *file) there() bool { return f != nil && (f.file != nil || f.err != "") }

func (s *State) file(id unit.ContentID) *file {
	f, ok := s.files[id]
	if !ok {
		f = &file{}
		s.files[id] = f
	}
	return f
}

// refer counts a reference to a file.
func (s *State) refer(id unit.ContentID, by int) {
	if id == "" {
		return
	}
	f := s.file(id)
	f.refs += by
	s.sweep(id, f)
}

// sweep notes whether anything refers to the file.
func (s *State) sweep(id unit.ContentID, f *file) {
	delete(s.garbage, id)
	switch {
	case f.refs > 0:
	case f.file != nil:
		s.garbage[id] = f
	case f.err == "":
		delete(s.files, id)
	}
}

func (a *absorbing) fileChanged(c cluster.FileChanged) {
	f := a.file(c.ID)
	known := f.file != nil
	f.file, f.err, f.revision, f.shared = c.File, "", c.Revision, nil
	a.sweep(c.ID, f)
	if known != (c.File != nil) {
		a.reread(c.ID)
	}
}

// reread has the rules read again of all units that have this content.
func (a *absorbing) reread(id unit.ContentID) {
	f := a.file(id)
	if f.file != nil {
		a.files = true
		return
	}
	for _, t := range a.State.tasks {
		if t.exists && t.record.Content == id {
			t.content = ""
			a.tasks[t] = struct{}{}
		}
	}
	a.sweep(id, f)
}

// collect removes files that nothing refers to, one transaction at a time, when there is nothing
// else to do. While there are records that cannot be read, any file may be theirs.
func (s *State) collect() []Step {
	if len(s.garbage) == 0 || len(s.corrupt) > 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(s.garbage))
	step := Step{Decision: cluster.Decision{Collect: make(map[unit.ContentID]int64)}}
	for _, id := range ids[:min(len(ids), cluster.MaxDecision)] {
		step.Collect[id] = s.garbage[id].revision
	}
	return []Step{step}
}
