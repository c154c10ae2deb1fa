package systemd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sync/errgroup"

	"fleet/unit"
)

// Files lists the unit files that fleet has put on this host, with the id of
// the bytes on disk. It does not need the connection.
func (m *Manager) Files(ctx context.Context) (map[unit.Name]unit.ContentID, error) {
	names, err := m.disk.names()
	if err != nil {
		return nil, err
	}
	files := make(map[unit.Name]unit.ContentID, len(names))
	for _, n := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		raw, err := os.ReadFile(m.disk.file(n))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read unit file: %w", err)
		}
		files[n] = unit.IDOf(raw)
	}
	return files, nil
}

// adopt brings a new connection in step with the files on the host, which an
// earlier life of this process may have left half done.
func (m *Manager) adopt(ctx context.Context, s *session) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	removed, err := m.disk.sweep()
	if err != nil {
		return err
	}
	if len(removed) > 0 {
		m.stale = true
		m.log.Info("removed left-over files", "paths", removed)
	}
	names, err := m.disk.names()
	if err != nil {
		return err
	}
	files := make(map[unit.Name][]byte, len(names))
	for _, n := range names {
		if files[n], err = os.ReadFile(m.disk.file(n)); err != nil {
			return fmt.Errorf("read unit file: %w", err)
		}
	}
	for _, n := range names {
		m.bell.know(n)
	}
	m.install(ctx, s, names, files)
	if err := m.anchor(names); err != nil {
		return err
	}
	old, err := s.anyOutdated(ctx, names)
	if err != nil {
		return err
	}
	if old {
		m.stale = true
	}
	if err := m.reload(ctx, s); err != nil {
		return err
	}
	return s.startAnchor(ctx)
}

// anyOutdated tells whether systemd holds an older version of any unit's file in memory.
func (s *session) anyOutdated(ctx context.Context, names []unit.Name) (bool, error) {
	old := make([]bool, len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inFlight)
	for i, n := range names {
		g.Go(func() error { return s.get(ctx, objectPath(n), unitIface, "NeedDaemonReload", &old[i]) })
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	for _, o := range old {
		if o {
			return true, nil
		}
	}
	return false, nil
}

// reload has systemd read its unit files anew if any changed since it last did.
// The caller holds the batch lock.
func (m *Manager) reload(ctx context.Context, s *session) error {
	if !m.stale {
		return nil
	}
	if err := s.do(ctx, func() error { return s.sd.ReloadContext(ctx) }); err != nil {
		return fmt.Errorf("reload systemd: %w", err)
	}
	m.stale = false
	return nil
}
