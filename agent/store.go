package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fleet/agent/reconcile"
	"fleet/unit"
)

// store keeps the memory of units in a file, so that a restarted agent neither
// repeats what it has done nor forgets it. The file only has to outlive the
// process, not the machine: it is renamed into place, and not forced to disk.
type store struct {
	path string
	boot string

	mu struct {
		sync.Mutex
		saved int64 // the board's count of what is in the file
	}
}

// stateFile is the file's content.
type stateFile struct {
	Version int                            `json:"version"`
	BootID  string                         `json:"bootID,omitempty"`
	Units   map[unit.Name]reconcile.Memory `json:"units"`
}

const stateVersion = 1

// load reads the file. The map is usable whatever the error.
func (s *store) load() (map[unit.Name]reconcile.Memory, error) {
	none := make(map[unit.Name]reconcile.Memory)
	if s.path == "" {
		return none, nil
	}
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("read state file: %w", err)
	}
	var f stateFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return none, fmt.Errorf("read state file %s: %w", s.path, err)
	}
	if f.Version != stateVersion {
		return none, fmt.Errorf("read state file %s: version %d, want %d", s.path, f.Version, stateVersion)
	}
	if f.BootID != s.boot || f.Units == nil {
		return none, nil
	}
	return f.Units, nil
}

// keepPause is how long changes of memory that nobody waits for are gathered: each time the file is written whole.
const keepPause = 200 * time.Millisecond

// remember writes the state file after changes that nobody waits for. Run does so at its end.
func (a *Agent) remember(ctx context.Context) {
	trouble := streak{log: a.log, doing: "write the state file", longest: time.Minute}
	for a.keep.wait(ctx) {
		if !sleep(ctx, keepPause) {
			return
		}
		err := a.save()
		if err == nil {
			trouble.over()
			continue
		}
		a.keep.ring()
		if !sleep(ctx, trouble.failed(err)) {
			return
		}
	}
}

// save returns when the file has the memory as it is now. Callers that come
// while one writes find their memory written by the next of them.
func (a *Agent) save() error {
	s := &a.store
	if s.path == "" {
		return nil
	}
	now, _ := a.recollect(false)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.saved >= now {
		return nil
	}
	now, memory := a.recollect(true)
	if err := s.write(memory); err != nil {
		return err
	}
	s.mu.saved = now
	return nil
}

// recollect returns the count of changes of memory, and a copy of it if asked for.
func (a *Agent) recollect(whole bool) (int64, map[unit.Name]reconcile.Memory) {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	if !whole {
		return b.saved, nil
	}
	return b.saved, maps.Clone(b.Memory)
}

func (s *store) write(memory map[unit.Name]reconcile.Memory) error {
	raw, err := json.Marshal(stateFile{Version: stateVersion, BootID: s.boot, Units: memory})
	if err != nil {
		return fmt.Errorf("write state file %s: %w", s.path, err)
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	next := s.path + ".new"
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	if err := os.Rename(next, s.path); err != nil {
		return fmt.Errorf("write state file: %w", err)
	}
	return nil
}
