package api

import (
	"cmp"
	"slices"
	"sync"

	"fleet/cluster"
	"fleet/unit"
)

// fileView is what v1 says of a unit file. It does not change.
type fileView struct {
	options []Option
	hash    string
}

// fileViews makes the views of files when they are first asked for and keeps
// them, so that a list does not work through every file again.
type fileViews struct {
	mu    sync.Mutex
	views map[unit.ContentID]*fileView
}

func (f *fileViews) get(id unit.ContentID, file cluster.File) *fileView {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v, ok := f.views[id]; ok {
		return v
	}
	v := newFileView(file.File)
	if f.views == nil {
		f.views = make(map[unit.ContentID]*fileView)
	}
	f.views[id] = v
	return v
}

func (f *fileViews) drop(id unit.ContentID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.views, id)
}

func (f *fileViews) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.views = nil
}

// newFileView shows the options as fleet 1 kept them: section by section, in the order in which these first appear.
func newFileView(file *unit.File) *fileView {
	options := file.Options()
	v := &fileView{options: make([]Option, len(options)), hash: file.V1Hash()}
	first := make(map[string]int) // of the section
	for i, o := range options {
		v.options[i] = Option(o)
		if _, seen := first[o.Section]; !seen {
			first[o.Section] = i
		}
	}
	slices.SortStableFunc(v.options, func(a, b Option) int { return cmp.Compare(first[a.Section], first[b.Section]) })
	return v
}
