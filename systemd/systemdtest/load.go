package systemdtest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"syscall"

	"fleet/systemd"
	"fleet/unit"
)

// unitsDir is where errors say that files are.
const unitsDir = "/run/fleet/units"

// Load is systemd.Manager's.
func (m *Manager) Load(ctx context.Context, files map[unit.Name][]byte) (map[unit.Name]error, error) {
	if err := m.lock(ctx); err != nil {
		return nil, fmt.Errorf("load units: %w", err)
	}
	h := m.host
	defer h.mu.Unlock()
	failed := map[unit.Name]error{}
	reload := false
	for _, n := range slices.Sorted(maps.Keys(files)) {
		changed, err := h.put(n, files[n])
		if err != nil {
			failed[n] = err
		}
		reload = reload || changed
	}
	if reload {
		h.reload()
	}
	for n := range files {
		p := h.mu.units[n]
		if failed[n] == nil && p.does.loadErr != "" {
			failed[n] = &systemd.LoadError{Name: n, State: p.state.Load, Reason: p.does.loadErr}
		}
	}
	return failed, nil
}

// Unload is systemd.Manager's.
func (m *Manager) Unload(ctx context.Context, names []unit.Name) (map[unit.Name]error, error) {
	if err := m.lock(ctx); err != nil {
		return nil, fmt.Errorf("unload units: %w", err)
	}
	h := m.host
	defer h.mu.Unlock()
	failed := map[unit.Name]error{}
	reload := false
	for _, n := range names {
		p := h.mu.units[n]
		switch {
		case p == nil:
			continue
		case p.state.Running():
			failed[n] = fmt.Errorf("%s: %w: it is %s (%s)", n, systemd.ErrRunning, p.state.Active, p.state.Sub)
			continue
		case p.job != nil:
			failed[n] = fmt.Errorf("%s: %w: a %s job is queued", n, systemd.ErrRunning, p.job.kind)
			continue
		}
		delete(h.mu.files, n)
		delete(h.mu.units, n)
		delete(h.mu.enabled, n)
		reload = true
	}
	if reload {
		h.reload()
	}
	return failed, nil
}

func (h *Host) put(n unit.Name, raw []byte) (changed bool, err error) {
	if _, err := unit.ParseName(string(n)); err != nil {
		return false, err
	}
	if n.IsTemplate() {
		return false, fmt.Errorf("load %s: a template cannot be loaded", n)
	}
	if p, ok := h.hostPath(n); ok {
		return false, &systemd.HostUnitError{Name: n, Path: p}
	}
	if old, ok := h.mu.files[n]; ok && bytes.Equal(old, raw) {
		return false, nil
	}
	file := filepath.Join(unitsDir, string(n))
	if h.mu.diskFull {
		return false, fmt.Errorf("write unit file %s: %w", file, &fs.PathError{Op: "write", Path: file, Err: syscall.ENOSPC})
	}
	h.mu.files[n] = bytes.Clone(raw)
	return true, nil
}

// reload has systemd read all files.
func (h *Host) reload() {
	h.mu.reloads++
	for n, raw := range h.mu.files {
		p := h.mu.units[n]
		if p == nil {
			p = newProcess(h, n)
			h.mu.units[n] = p
		}
		p.read(raw)
		if p.job != nil && !p.does.atMostOnce && !p.state.Running() {
			p.proceed() // it waited for the fence, and need not any more
		}
		h.mu.enabled[n] = p.does.install
	}
	for m := range h.mu.managers {
		m.ringAll()
	}
}
