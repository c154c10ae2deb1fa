package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"fleet/unit"
)

// tempPrefix begins the names of files that are not units yet, or no more.
const tempPrefix = ".fleet-"

// disk is fleet's part of the file system. Nothing here asks systemd.
type disk struct {
	units string // the units directory: fleet's own files
	links string // systemd's run-time directory: links to them
}

func (d disk) file(n unit.Name) string { return filepath.Join(d.units, string(n)) }
func (d disk) link(n unit.Name) string { return filepath.Join(d.links, string(n)) }

// names lists the units that have a file. A file whose name is no unit name is ignored.
func (d disk) names() ([]unit.Name, error) {
	entries, err := os.ReadDir(d.units)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list units directory: %w", err)
	}
	var names []unit.Name
	for _, e := range entries {
		n, err := unit.ParseName(e.Name())
		if err != nil || !e.Type().IsRegular() {
			continue
		}
		names = append(names, n)
	}
	return names, nil
}

func (d disk) has(n unit.Name) bool {
	fi, err := os.Lstat(d.file(n))
	return err == nil && fi.Mode().IsRegular()
}

// linked tells whether systemd finds the unit's file by its link.
func (d disk) linked(n unit.Name) bool {
	return d.target(d.link(n)) == d.file(n)
}

// target is the path that a symbolic link points to, "" if it is none.
func (d disk) target(link string) string {
	to, err := os.Readlink(link)
	if err != nil {
		return ""
	}
	if !filepath.IsAbs(to) {
		to = filepath.Join(filepath.Dir(link), to)
	}
	return filepath.Clean(to)
}

// aliased tells whether the name is linked to a file of fleet's, of whatever name.
func (d disk) aliased(n unit.Name) bool {
	return filepath.Dir(d.target(d.link(n))) == d.units
}

// put makes the unit's file hold these bytes and links it. changed tells
// whether systemd has to look again. On error nothing of a new unit remains,
// and an old one is as it was.
func (d disk) put(n unit.Name, raw []byte) (changed bool, err error) {
	for _, dir := range []string{d.units, d.links} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, fmt.Errorf("write unit file %s: %w", d.file(n), err)
		}
	}
	old, oldErr := os.ReadFile(d.file(n))
	if oldErr == nil && bytes.Equal(old, raw) && d.linked(n) {
		return false, nil
	}
	if !d.linked(n) {
		if err := os.Symlink(d.file(n), d.link(n)); err != nil {
			return false, fmt.Errorf("link unit file %s: %w", d.file(n), err)
		}
	}
	if err := replace(d.units, d.file(n), raw); err != nil {
		if oldErr != nil {
			_ = os.Remove(d.link(n))
		}
		return false, fmt.Errorf("write unit file %s: %w", d.file(n), err)
	}
	return true, nil
}

// replace writes a file in one step: systemd, or a crash, sees all of the
// bytes or none.
func replace(dir, file string, raw []byte) (err error) {
	f, err := os.CreateTemp(dir, tempPrefix)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(raw)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// hide takes the file away but keeps its bytes, so that show can undo it. It
// needs no room on the disk. Without a file it returns "".
func (d disk) hide(n unit.Name) (hidden string, err error) {
	// Not the name itself, which may be as long as names of files can be.
	hidden = filepath.Join(d.units, tempPrefix+string(unit.IDOf([]byte(n))))
	err = os.Rename(d.file(n), hidden)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return hidden, err
}

// show undoes hide, and links the file again.
func (d disk) show(n unit.Name, hidden string) error {
	if !d.linked(n) {
		if err := os.Symlink(d.file(n), d.link(n)); err != nil {
			return err
		}
	}
	return os.Rename(hidden, d.file(n))
}

// unlink removes every link to the named units' files: the units' own, their
// aliases, and what [Install] made. The paths it removed are returned.
func (d disk) unlink(remove func(unit.Name) bool, own bool) (removed []string, err error) {
	dirs, err := d.linkDirs()
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return removed, fmt.Errorf("list links: %w", err)
		}
		for _, e := range entries {
			link := filepath.Join(dir, e.Name())
			n := d.owner(link, e)
			if n == "" || !remove(n) || !own && link == d.link(n) {
				continue
			}
			if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return removed, fmt.Errorf("remove link: %w", err)
			}
			removed = append(removed, link)
		}
		if dir != d.links {
			_ = os.Remove(dir) // only succeeds on an empty directory
		}
	}
	return removed, nil
}

// linkDirs are the directories in which links to units may lie.
func (d disk) linkDirs() ([]string, error) {
	entries, err := os.ReadDir(d.links)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	dirs := []string{d.links}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case ".wants", ".requires", ".upholds":
			if e.IsDir() {
				dirs = append(dirs, filepath.Join(d.links, e.Name()))
			}
		}
	}
	return dirs, nil
}

// owner is the unit of fleet that a link belongs to: it points to the unit's
// file, or, out of a .wants directory, to the unit's link.
func (d disk) owner(link string, e fs.DirEntry) unit.Name {
	if e.Type()&fs.ModeSymlink == 0 {
		return ""
	}
	to := d.target(link)
	if filepath.Dir(to) == d.links && to != link && d.target(to) != "" {
		to = d.target(to)
	}
	if filepath.Dir(to) != d.units {
		return ""
	}
	n, err := unit.ParseName(filepath.Base(to))
	if err != nil {
		return ""
	}
	return n
}

// sweep removes what a crash left behind: files that never became units, and
// links without a file. It returns what it removed.
func (d disk) sweep() ([]string, error) {
	removed, err := d.unlink(func(n unit.Name) bool { return !d.has(n) }, true)
	if err != nil {
		return removed, err
	}
	bindings, err := d.sweepBindings()
	removed = append(removed, bindings...)
	if err != nil {
		return removed, err
	}
	for _, dir := range []string{d.units, d.links} {
		temps, err := filepath.Glob(filepath.Join(dir, tempPrefix+"*"))
		if err != nil {
			return removed, fmt.Errorf("list left-over files: %w", err)
		}
		for _, p := range temps {
			if err := os.Remove(p); err != nil {
				return removed, fmt.Errorf("remove left-over file: %w", err)
			}
			removed = append(removed, p)
		}
	}
	return removed, nil
}
