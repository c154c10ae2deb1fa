package systemd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fleet/unit"
)

// refuse returns an error for each unit by a name, or an alias, that the host
// uses for a unit of its own, and for templates, which cannot be loaded.
// Nothing is loaded by asking.
func (m *Manager) refuse(ctx context.Context, s *session, names []unit.Name, files map[unit.Name][]byte) (map[unit.Name]error, error) {
	failed := map[unit.Name]error{}
	listed, err := s.list(ctx, names)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if _, err := unit.ParseName(string(n)); err != nil {
			failed[n] = err
			continue
		}
		if n.IsTemplate() {
			failed[n] = fmt.Errorf("load %s: a template cannot be loaded", n)
			continue
		}
		if p := m.hostFile(s.unitPath, n); p != "" {
			failed[n] = &HostUnitError{Name: n, Path: p}
			continue
		}
		if err := m.refuseAliases(s.unitPath, files[n]); err != nil {
			failed[n] = err
			continue
		}
		l, ok := listed[n]
		if !ok || l.LoadState == "not-found" || m.disk.linked(n) {
			continue
		}
		// In memory, and not by a file of ours that is on disk: either made by
		// systemd itself (a mount, a slice, a transient unit), or one of ours
		// whose file somebody deleted.
		var fragment string
		if err := s.get(ctx, objectPath(n), unitIface, "FragmentPath", &fragment); err != nil {
			return nil, err
		}
		if fragment != m.disk.file(n) && fragment != m.disk.link(n) {
			failed[n] = &HostUnitError{Name: n, Path: fragment}
		}
	}
	return failed, nil
}

// refuseAliases keeps [Install] from giving a name of the host's to a unit of
// fleet's, which systemd would do. Aliases with specifiers are not looked at.
func (m *Manager) refuseAliases(dirs []string, raw []byte) error {
	f, err := unit.Parse(raw)
	if err != nil {
		return nil // systemd says what is wrong with it
	}
	for _, v := range f.Values("Install", "Alias") {
		for _, word := range strings.Fields(v) {
			a, err := unit.ParseName(word)
			if err != nil || m.disk.aliased(a) {
				continue
			}
			if p := m.hostFile(dirs, a); p != "" {
				return fmt.Errorf("alias: %w", &HostUnitError{Name: a, Path: p})
			}
		}
	}
	return nil
}

// hostFile finds a unit file of the host by this name, or, for an instance,
// by the name of its template, which a file of fleet's would shadow.
func (m *Manager) hostFile(dirs []string, n unit.Name) string {
	names := []string{string(n)}
	if n.IsInstance() {
		names = append(names, string(n.Template()))
	}
	for _, dir := range dirs {
		for _, name := range names {
			p := filepath.Join(dir, name)
			if p == m.disk.link(n) && m.disk.linked(n) {
				continue
			}
			if _, err := os.Lstat(p); err == nil {
				return p
			}
		}
	}
	return ""
}
