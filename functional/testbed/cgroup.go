package testbed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// cgroup is a path below the mount of the unified hierarchy, such as
// "fleet-testbed/play/h1". Everything that a host or an etcd process started is
// in its cgroup: what is in it is alive, and what is alive is in it.
type cgroup struct {
	root string // where cgroup2 is mounted
	name string
}

// findCgroupRoot returns where the unified hierarchy is mounted; beside cgroup v1
// controllers it has a place of its own.
func findCgroupRoot() (string, error) {
	roots, err := cgroupMounts("cgroup2")
	if err != nil {
		return "", err
	}
	if len(roots) == 0 {
		return "", errors.New("no cgroup2 hierarchy is mounted: systemd hosts need one (mount -t cgroup2 none /sys/fs/cgroup)")
	}
	return roots[0], nil
}

func cgroupMounts(kind string) ([]string, error) {
	mounts, err := mountTable()
	if err != nil {
		return nil, err
	}
	var roots []string
	for _, m := range mounts {
		if m.kind == kind {
			roots = append(roots, m.point)
		}
	}
	return roots, nil
}

func (g cgroup) path() string { return filepath.Join(g.root, g.name) }

func (g cgroup) create() error {
	if err := os.MkdirAll(g.path(), 0o755); err != nil {
		return fmt.Errorf("create cgroup %s: %w", g.name, err)
	}
	return nil
}

// populated says whether any process lives in the cgroup or below it.
func (g cgroup) populated() (bool, error) { return g.event("populated") }

// frozen says whether all processes of the cgroup stand still.
func (g cgroup) frozen() (bool, error) { return g.event("frozen") }

func (g cgroup) event(key string) (bool, error) {
	data, err := os.ReadFile(filepath.Join(g.path(), "cgroup.events"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read cgroup %s: %w", g.name, err)
	}
	return slices.Contains(strings.Split(string(data), "\n"), key+" 1"), nil
}

// kill ends all processes of the cgroup at once with SIGKILL and returns when
// they are gone.
func (g cgroup) kill(ctx context.Context) error {
	err := os.WriteFile(filepath.Join(g.path(), "cgroup.kill"), []byte("1"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("kill cgroup %s: %w", g.name, err)
	}
	return g.waitEmpty(ctx)
}

func (g cgroup) waitEmpty(ctx context.Context) error {
	err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
		populated, err := g.populated()
		return !populated, err
	})
	if err != nil {
		return fmt.Errorf("wait for the end of cgroup %s: %w", g.name, err)
	}
	return nil
}

// freeze stops or continues all processes of the cgroup and returns when they
// stand still, or may run again.
func (g cgroup) freeze(ctx context.Context, frozen bool) error {
	value := "0"
	if frozen {
		value = "1"
	}
	if err := os.WriteFile(filepath.Join(g.path(), "cgroup.freeze"), []byte(value), 0); err != nil {
		return fmt.Errorf("freeze cgroup %s: %w", g.name, err)
	}
	err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
		is, err := g.frozen()
		return is == frozen, err
	})
	if err != nil {
		return fmt.Errorf("freeze cgroup %s: %w", g.name, err)
	}
	return nil
}

// processes returns the ids of the processes directly in the child cgroup.
func (g cgroup) processes(child string) ([]int, error) {
	file, err := os.Open(filepath.Join(g.path(), child, "cgroup.procs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read cgroup %s: %w", g.name, err)
	}
	defer file.Close()
	var pids []int
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		pid, err := strconv.Atoi(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("read cgroup %s: %w", g.name, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil // a cgroup that vanishes while it is read has no processes
}

// remove deletes the empty cgroup and those below it, also from the v1
// hierarchies, where systemd-nspawn makes a copy.
func (g cgroup) remove() error {
	roots, err := cgroupMounts("cgroup")
	if err != nil {
		return err
	}
	for _, root := range append(roots, g.root) {
		if err := removeDirs(filepath.Join(root, g.name)); err != nil {
			return fmt.Errorf("remove cgroup %s: %w", g.name, err)
		}
	}
	return nil
}

// removeDirs removes directories, deepest first; the files in a cgroup cannot be
// removed and go with it.
func removeDirs(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return err
	})
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	for _, dir := range dirs {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
