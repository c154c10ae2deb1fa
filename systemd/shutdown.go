package systemd

import (
	"context"
	"fmt"
)

// Stopping tells whether the host is being shut down.
func (m *Manager) Stopping(ctx context.Context) (bool, error) {
	s, err := m.connected(ctx)
	if err != nil {
		return false, fmt.Errorf("ask whether the host is shut down: %w", err)
	}
	var state string
	if err := s.get(ctx, managerPath, managerIface, "SystemState", &state); err != nil {
		return false, err
	}
	return state == "stopping", nil
}

// Leave is to be called when the host is being shut down, and again, with false, if it is not after all. While it is, every
// unit has a stop queued that waits until all has been handed over. A unit that has been is stopped at once then, whatever
// waits for what.
func (m *Manager) Leave(leaves bool) { m.leaving.Store(leaves) }

// stopMode is the mode of jobs that stop a unit.
func (m *Manager) stopMode() string {
	if m.leaving.Load() {
		return "ignore-dependencies"
	}
	return "replace"
}

// Reboot has the host shut down in order and started again. It returns when that has begun.
func (m *Manager) Reboot(ctx context.Context) error {
	s, err := m.connected(ctx)
	if err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	err = s.do(ctx, callStart, func() error {
		_, err := s.sd.StartUnitContext(ctx, "reboot.target", "replace-irreversibly", nil)
		return err
	})
	if err != nil {
		return fmt.Errorf("reboot: %w", err)
	}
	return nil
}
