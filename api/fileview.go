package api

import (
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

func newFileView(file *unit.File) *fileView {
	options := file.Options()
	v := &fileView{options: make([]Option, len(options)), hash: file.V1Hash()}
	for i, o := range options {
		v.options[i] = Option(o)
	}
	return v
}
