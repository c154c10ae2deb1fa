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
// the bytes on disk. It does not need the connection. A unit that is not bound to
// the fence although its file says so has an id that no file has.
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
		files[n] = m.idOf(n, raw)
	}
	return files, nil
}

// adopt brings a new connection in step with the files on the host, which an
// earlier life of this process may have left half done. What fails here but
// leaves the connection usable, such as a full disk, is only logged: units that
// run must be seen all the same.
func (m *Manager) adopt(ctx context.Context, s *session) error {
	unlock, err := m.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	removed, err := m.disk.sweep()
	if err != nil {
		m.log.Warn("cannot remove left-over files", "err", err)
	}
	if len(removed) > 0 {
		m.stale = true
		m.log.Info("removed left-over files", "paths", removed)
	}
	names, err := m.disk.names()
	if err != nil {
		m.log.Warn("cannot take stock of unit files", "err", err)
	}
	m.install(ctx, s, names, m.readAll(names))
	m.anchorAll()
	old, err := s.anyOutdated(ctx, names)
	if err == nil {
		m.stale = m.stale || old
		err = m.reload(ctx, s)
	}
	if err == nil {
		err = s.startAnchor(ctx)
	}
	if errors.Is(err, ErrConnection) || ctx.Err() != nil {
		return err
	}
	if err != nil {
		m.log.Warn("cannot bring systemd up to date", "err", err)
	}
	return nil
}

// readAll reads the files of units, and makes their signals heard.
func (m *Manager) readAll(names []unit.Name) map[unit.Name][]byte {
	files := make(map[unit.Name][]byte, len(names))
	for _, n := range names {
		m.bell.know(n)
		raw, err := os.ReadFile(m.disk.file(n))
		if err != nil {
			m.log.Warn("cannot read unit file", "unit", n, "err", err)
			continue
		}
		files[n] = raw
	}
	return files
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
	if err := s.do(ctx, callReload, func() error { return s.sd.ReloadContext(ctx) }); err != nil {
		return fmt.Errorf("reload systemd: %w", err)
	}
	m.stale = false
	return nil
}
