package fence

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"fleet/unit"
)

// control is the control group of one unit, with those below it: what is in it is the unit's, and what is the unit's is in it.
type control string

// controls finds the control groups of units. systemd has a unit's directly below a slice's, wherever slices are nested. A
// unit without one has no processes.
func controls(root string, names []unit.Name) ([]control, error) {
	if len(names) == 0 {
		return nil, nil
	}
	wanted := make(map[string]bool, len(names))
	for _, n := range names {
		wanted[string(n)] = true
	}
	var found []control
	err := inSlice(root, func(path, name string) {
		if wanted[name] {
			found = append(found, control(path))
		}
	})
	return found, err
}

// inSlice tells of every group of a unit in a slice, and in the slices that are in it.
func inSlice(dir string, tell func(path, name string)) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for control groups: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		name := strings.TrimPrefix(e.Name(), "_") // put there where the name would mean something to the kernel
		if !strings.HasSuffix(name, ".slice") {
			tell(path, name)
			continue
		}
		if err := inSlice(path, tell); err != nil {
			return err
		}
	}
	return nil
}

// each visits the group and those below it. One that has gone has nothing in it.
func (c control) each(visit func(dir string) error) error {
	err := filepath.WalkDir(string(c), func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return err
		case !e.IsDir():
			return nil
		}
		return visit(path)
	})
	return ignoreGone(err)
}

func ignoreGone(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// processes are the ids of all processes in the group.
func (c control) processes() ([]int, error) {
	var all []int
	err := c.each(func(dir string) error {
		raw, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if err != nil {
			return ignoreGone(err)
		}
		for _, word := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				all = append(all, pid)
			}
		}
		return nil
	})
	return all, err
}

// populated tells whether there is any process in the group.
func (c control) populated() (bool, error) {
	raw, err := os.ReadFile(filepath.Join(string(c), "cgroup.events"))
	if err == nil {
		return strings.Contains(string(raw), "populated 1"), nil
	}
	if _, err := os.Stat(string(c)); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	pids, err := c.processes() // cgroup v1
	return len(pids) > 0, err
}

// kill ends all processes of the group: in one step where the kernel can (Linux 5.14), otherwise those that are there now.
func (c control) kill() error {
	if err := c.set("cgroup.kill", "1"); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return ignoreGone(err)
	}
	return c.signal(syscall.SIGKILL)
}

// freeze stops all processes of the group, or continues them: by the kernel's freezer where there is one (Linux 5.2).
func (c control) freeze(frozen bool) error {
	word, signal := "0", syscall.SIGCONT
	if frozen {
		word, signal = "1", syscall.SIGSTOP
	}
	if err := c.set("cgroup.freeze", word); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return ignoreGone(err)
	}
	return c.signal(signal)
}

// set writes to a file of the group, if the kernel has put it there.
func (c control) set(name, value string) error {
	f, err := os.OpenFile(filepath.Join(string(c), name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}

func (c control) signal(s syscall.Signal) error {
	pids, err := c.processes()
	for _, pid := range pids {
		err = errors.Join(err, ignoreGone(syscall.Kill(pid, s)))
	}
	return err
}
