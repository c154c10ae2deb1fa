package systemd

import (
	"context"
	"errors"
	"fmt"
	"os"

	"fleet/unit"
)

// Unload removes units that are inactive or failed, and their failed state:
// one reload for the batch. The map holds the errors of the units that stay;
// an error that wraps ErrRunning means that the unit is not stopped. A name
// without a file is done. After an error of the whole batch the files are
// still there.
func (m *Manager) Unload(ctx context.Context, names []unit.Name) (map[unit.Name]error, error) {
	s, unlock, err := m.lockConnected(ctx)
	if err != nil {
		return nil, fmt.Errorf("unload units: %w", err)
	}
	defer unlock()
	failed, err := m.unload(ctx, s, names)
	if err != nil {
		return nil, fmt.Errorf("unload units: %w", err)
	}
	return failed, nil
}

func (m *Manager) unload(ctx context.Context, s *session, names []unit.Name) (failed map[unit.Name]error, err error) {
	failed, err = m.running(ctx, s, names)
	if err != nil {
		return nil, err
	}
	m.revoke(without(names, failed), failed)
	m.disable(ctx, s, without(names, failed))
	hidden := m.hide(without(names, failed), failed)
	defer func() {
		if err != nil {
			m.show(hidden, failed)
		}
	}()
	if _, err := m.disk.unlink(func(n unit.Name) bool { _, ok := hidden[n]; return ok }, true); err != nil {
		return nil, err
	}
	m.anchorAll()
	if err := m.reload(ctx, s); err != nil {
		return nil, err
	}
	// From here on nothing can start these units. Something may have started
	// one since it was found stopped: its file must not go.
	started, err := m.running(ctx, s, without(names, failed))
	if err != nil {
		return nil, err
	}
	back := map[unit.Name]string{}
	for n, err := range started {
		failed[n] = err
		back[n] = hidden[n]
		delete(hidden, n)
	}
	m.show(back, failed)
	m.anchorAll()
	if err := m.reload(ctx, s); err != nil {
		return nil, err
	}
	for _, n := range without(names, failed) {
		if err := m.forget(ctx, s, n, hidden[n]); err != nil {
			return nil, err
		}
	}
	return failed, nil
}

// running returns an error for each unit that may have processes, or is about to.
func (m *Manager) running(ctx context.Context, s *session, names []unit.Name) (map[unit.Name]error, error) {
	failed := map[unit.Name]error{}
	listed, err := s.list(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		l, ok := listed[n]
		switch {
		case !ok || m.hostFile(s.unitPath, n) != "":
			// What the host runs by this name is not affected by our file.
		case (unit.State{Active: l.ActiveState}).Running():
			failed[n] = fmt.Errorf("%s: %w: it is %s (%s)", n, ErrRunning, l.ActiveState, l.SubState)
		case l.JobId != 0:
			failed[n] = fmt.Errorf("%s: %w: a %s job is queued", n, ErrRunning, l.JobType)
		}
	}
	return failed, nil
}

// hide takes files out of systemd's sight, in a way that show can undo.
func (m *Manager) hide(names []unit.Name, failed map[unit.Name]error) (hidden map[unit.Name]string) {
	hidden = map[unit.Name]string{}
	for _, n := range names {
		p, err := m.disk.hide(n)
		if err != nil {
			failed[n] = fmt.Errorf("remove unit file %s: %w", m.disk.file(n), err)
			continue
		}
		hidden[n] = p
		m.stale = true
		if _, err := m.disk.bind(n, nil); err != nil {
			m.log.Warn("cannot remove drop-in", "unit", n, "err", err)
		}
	}
	return hidden
}

func (m *Manager) show(hidden map[unit.Name]string, failed map[unit.Name]error) {
	for n, p := range hidden {
		if p == "" {
			continue
		}
		m.stale = true
		delete(m.enabled, n) // the next Load enables it again
		raw, err := os.ReadFile(p)
		if err == nil {
			_, err = m.disk.bind(n, m.binding(n, raw))
		}
		if err := errors.Join(err, m.disk.show(n, p)); err != nil {
			failed[n] = fmt.Errorf("put back unit file %s: %w", m.disk.file(n), err)
		}
	}
}

// forget removes what is left of an unloaded unit: its bytes, its failed
// state, and systemd's memory of it.
func (m *Manager) forget(ctx context.Context, s *session, n unit.Name, hidden string) error {
	if hidden != "" {
		if err := os.Remove(hidden); err != nil {
			m.log.Warn("cannot remove unit file", "unit", n, "err", err)
		}
	}
	m.bell.forget(n)
	delete(m.enabled, n)
	s.seen.forget(n)
	if m.hostFile(s.unitPath, n) != "" {
		return nil
	}
	err := s.do(ctx, callResetFailed, func() error { return s.sd.ResetFailedUnitContext(ctx, string(n)) })
	if err != nil && dbusName(err) != noSuchUnit {
		return fmt.Errorf("reset failed state of %s: %w", n, err)
	}
	return nil
}

// without returns the names that have no error, in order.
func without(names []unit.Name, failed map[unit.Name]error) []unit.Name {
	var rest []unit.Name
	for _, n := range names {
		if failed[n] == nil {
			rest = append(rest, n)
		}
	}
	return rest
}
