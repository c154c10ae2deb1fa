package systemd

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"fleet/unit"
)

// Load puts unit files on the host, links them for the run time, carries out
// their [Install] sections, and has systemd read them: one reload for the
// batch, none if nothing changed. The map holds the errors of the units that
// failed; the others are loaded. A *HostUnitError is refused before anything
// is written; the file of a *LoadError stays until Unload, and is not read
// again before it changes. An error of the whole batch leaves files that the
// next Load makes systemd read.
func (m *Manager) Load(ctx context.Context, files map[unit.Name][]byte) (map[unit.Name]error, error) {
	s, unlock, err := m.lockConnected(ctx)
	if err != nil {
		return nil, fmt.Errorf("load units: %w", err)
	}
	defer unlock()
	names := slices.Sorted(maps.Keys(files))
	failed, err := m.refuse(ctx, s, names, files)
	if err != nil {
		return nil, fmt.Errorf("load units: %w", err)
	}
	put := m.putAll(names, files, failed)
	m.install(ctx, s, put, files)
	m.anchorAll()
	if err := m.reload(ctx, s); err != nil {
		return nil, fmt.Errorf("load units: %w", err)
	}
	if err := s.verify(ctx, put, failed); err != nil {
		return nil, fmt.Errorf("load units: %w", err)
	}
	return failed, nil
}

// putAll writes and links the files of the units that have not failed, and
// returns those that now are as they should be.
func (m *Manager) putAll(names []unit.Name, files map[unit.Name][]byte, failed map[unit.Name]error) (put []unit.Name) {
	changed := map[unit.Name]bool{}
	for _, n := range without(names, failed) {
		binding := m.binding(n, files[n])
		if binding != nil && m.user {
			failed[n] = fmt.Errorf("load %s: it says AtMostOnce, and the systemd of a user has no fence", n)
			continue
		}
		// Before the file, so that the unit is never known without it.
		bound, err := m.disk.bind(n, binding)
		if err != nil {
			failed[n] = err
			continue
		}
		m.stale = m.stale || bound
		c, err := m.disk.put(n, files[n])
		if err != nil {
			failed[n] = err
			continue
		}
		if c {
			changed[n] = true
			m.stale = true
			m.bell.know(n)
			delete(m.enabled, n)
		}
		put = append(put, n)
	}
	// What the old [Install] asked for does not hold for the new bytes.
	if len(changed) > 0 {
		if _, err := m.disk.unlink(func(n unit.Name) bool { return changed[n] }, false); err != nil {
			m.log.Warn("cannot disable changed units", "err", err)
		}
	}
	return put
}

// verify adds an error for each unit that systemd did not load.
func (s *session) verify(ctx context.Context, names []unit.Name, failed map[unit.Name]error) error {
	listed, err := s.list(ctx, names)
	if err != nil {
		return err
	}
	for _, n := range names {
		l, ok := listed[n]
		if ok && l.LoadState == "loaded" {
			continue
		}
		bad := &LoadError{Name: n, State: l.LoadState}
		if !ok {
			if err := s.get(ctx, objectPath(n), unitIface, "LoadState", &bad.State); err != nil {
				return err
			}
			if bad.State == "loaded" {
				continue
			}
		}
		var reason struct{ Name, Message string }
		if err := s.get(ctx, objectPath(n), unitIface, "LoadError", &reason); err != nil {
			return err
		}
		bad.Reason = reason.Message
		failed[n] = bad
	}
	return nil
}
