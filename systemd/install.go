package systemd

import (
	"context"
	"errors"
	"os"

	sddbus "github.com/coreos/go-systemd/v22/dbus"

	"fleet/unit"
)

// install carries out the [Install] sections of those units for which this
// process has not done so yet, for the run time.
func (m *Manager) install(ctx context.Context, s *session, names []unit.Name, files map[unit.Name][]byte) {
	var todo []unit.Name
	for _, n := range names {
		if files[n] == nil {
			continue
		}
		id := unit.IDOf(files[n])
		if m.enabled[n] == id {
			continue
		}
		m.enabled[n] = id
		if hasInstall(files[n]) {
			todo = append(todo, n)
		}
	}
	m.enable(ctx, s, todo)
}

// enable has systemd make the links, for all units at once or, if one of them
// fails, for each. A unit that cannot be enabled is loaded all the same: its
// [Install] may name what this host does not have.
func (m *Manager) enable(ctx context.Context, s *session, names []unit.Name) {
	if len(names) == 0 {
		return
	}
	var changes []sddbus.EnableUnitFileChange
	err := s.do(ctx, callEnable, func() (err error) {
		_, changes, err = s.sd.EnableUnitFilesContext(ctx, strs(names), true, false)
		return err
	})
	if len(changes) > 0 {
		m.stale = true
	}
	if err == nil {
		return
	}
	if len(names) > 1 {
		for _, n := range names {
			m.enable(ctx, s, []unit.Name{n})
		}
		return
	}
	m.log.Warn("cannot enable unit", "unit", names[0], "err", err)
	if errors.Is(err, ErrConnection) || ctx.Err() != nil {
		delete(m.enabled, names[0]) // not systemd's verdict: to be tried again
	}
}

// disable undoes what [Install] did beyond the links to the unit's own file,
// which are removed with it: what Also= names.
func (m *Manager) disable(ctx context.Context, s *session, names []unit.Name) {
	var todo []unit.Name
	for _, n := range names {
		raw, err := os.ReadFile(m.disk.file(n))
		if err == nil && hasInstall(raw) {
			todo = append(todo, n)
		}
	}
	if len(todo) == 0 {
		return
	}
	err := s.do(ctx, callDisable, func() error {
		_, err := s.sd.DisableUnitFilesContext(ctx, strs(todo), true)
		return err
	})
	if err != nil {
		m.log.Warn("cannot disable units", "units", todo, "err", err)
	}
}

// hasInstall takes bytes that cannot be parsed for having no [Install].
func hasInstall(raw []byte) bool {
	f, err := unit.Parse(raw)
	return err == nil && f.HasInstall()
}

func strs(names []unit.Name) []string {
	s := make([]string, len(names))
	for i, n := range names {
		s[i] = string(n)
	}
	return s
}
