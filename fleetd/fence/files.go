package fence

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Files are where the fence, fleetd and systemd meet on a real host. They implement Host.
type Files struct {
	Dir     string // of permits, and of what the fence says: <state_dir>/fence
	DropIns string // systemd's run-time directory, in which units that are bound have a drop-in
	Cgroups string // root of the control groups in which systemd keeps units
}

// System are the Files of a host whose fleetd has that state directory.
func System(stateDir string) Files {
	return Files{Dir: filepath.Join(stateDir, "fence"), DropIns: "/run/systemd/system", Cgroups: cgroupRoot("/sys/fs/cgroup")}
}

// cgroupRoot is where systemd has the processes of units: in the one hierarchy, in the one of version 2
// beside those of version 1, or in its own of version 1.
func cgroupRoot(mount string) string {
	for _, root := range []string{mount, filepath.Join(mount, "unified")} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			return root
		}
	}
	return filepath.Join(mount, "systemd")
}

const (
	// DropIn is the name of the drop-in by which a unit is bound to the fence.
	DropIn = "50-fleet-fence.conf"
	// freezeMark is a line in the drop-in of a unit that says OnFence=freeze.
	freezeMark = "# OnFence=freeze"
	// permitSuffix ends the name of a unit's permit, which begins with the unit's.
	permitSuffix = ".env"
	// sessionMark begins the first line of a permit; the session in which it was given follows.
	sessionMark = "# session "

	guardFile = "guard.json"
	markFile  = "mark"
)

var _ Host = Files{}

// Announce implements Host.
func (f Files) Announce(g Guard) error {
	path := filepath.Join(f.Dir, guardFile)
	if g == (Guard{}) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("take back what is guarded: %w", err)
		}
		return nil
	}
	raw, err := json.Marshal(g)
	if err != nil {
		return fmt.Errorf("encode what is guarded: %w", err)
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return fmt.Errorf("say what is guarded: %w", err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, raw, 0o644); err != nil {
		return fmt.Errorf("say what is guarded: %w", err)
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("say what is guarded: %w", err)
	}
	return nil
}

// Guard is what the fence said last; zero if it says nothing.
func (f Files) Guard() (Guard, error) {
	raw, err := os.ReadFile(filepath.Join(f.Dir, guardFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Guard{}, nil
	}
	var g Guard
	if err == nil {
		err = json.Unmarshal(raw, &g)
	}
	if err != nil {
		return Guard{}, fmt.Errorf("read what the fence guards: %w", err)
	}
	return g, nil
}

// Mark implements Host. The file has nanoseconds of the clock that goes on while the machine sleeps, always in as many digits.
func (f Files) Mark(at time.Time) error {
	now, err := sinceBoot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(f.Dir, markFile), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	_, err = fmt.Fprintf(file, "%020d\n", now+time.Until(at))
	return errors.Join(err, file.Close())
}

// Marked implements Host.
func (f Files) Marked() time.Time {
	raw, errRead := os.ReadFile(filepath.Join(f.Dir, markFile))
	at, errParse := strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
	now, errClock := sinceBoot()
	if errRead != nil || errParse != nil || errClock != nil {
		return time.Time{}
	}
	return time.Now().Add(time.Duration(at) - now)
}

// Revoke implements Host.
func (f Files) Revoke(keep cluster.Session) error {
	permits, err := filepath.Glob(filepath.Join(f.Dir, "*"+permitSuffix))
	if err != nil {
		return fmt.Errorf("list permits: %w", err)
	}
	for _, path := range permits {
		if raw, err := os.ReadFile(path); err == nil && !keep.IsZero() && strings.HasPrefix(string(raw), sessionMark+keep.String()+"\n") {
			continue
		}
		if errRemove := os.Remove(path); errRemove != nil && !errors.Is(errRemove, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("take back a permit: %w", errRemove))
		}
	}
	return err
}

// Left implements Host.
func (f Files) Left() ([]unit.Name, error) {
	groups, err := f.bound(false)
	var left []unit.Name
	for _, c := range groups {
		there, errLook := c.populated()
		if there {
			left = append(left, unit.Name(filepath.Base(string(c))))
		}
		err = errors.Join(err, errLook)
	}
	slices.Sort(left)
	return left, err
}

// Kill implements Host.
func (f Files) Kill() error { return f.all(false, control.kill) }

// KillFrozen implements Host.
func (f Files) KillFrozen() error { return f.all(true, control.kill) }

// Freeze implements Host.
func (f Files) Freeze() error { return f.all(true, func(c control) error { return c.freeze(true) }) }

// Thaw implements Host.
func (f Files) Thaw() error { return f.all(true, func(c control) error { return c.freeze(false) }) }

func (f Files) all(freeze bool, do func(control) error) error {
	groups, err := f.bound(freeze)
	for _, c := range groups {
		if errDo := do(c); errDo != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", filepath.Base(string(c)), errDo))
		}
	}
	return err
}

// bound are the control groups of the units that are bound to the fence, or of those of them that are to be frozen.
func (f Files) bound(freeze bool) ([]control, error) {
	paths, err := filepath.Glob(filepath.Join(f.DropIns, "*.d", DropIn))
	if err != nil {
		return nil, fmt.Errorf("list units that are bound: %w", err)
	}
	var names []unit.Name
	for _, path := range paths {
		if freeze {
			raw, err := os.ReadFile(path)
			if err != nil || !strings.Contains(string(raw), freezeMark) {
				continue
			}
		}
		names = append(names, unit.Name(strings.TrimSuffix(filepath.Base(filepath.Dir(path)), ".d")))
	}
	return controls(f.Cgroups, names)
}
