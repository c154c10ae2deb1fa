package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Down removes a cluster: its processes, mounts, network, disks and state, in
// whatever state an interrupted Up or Down has left them. Without such a cluster
// it does nothing.
func Down(ctx context.Context, name string) error {
	if err := validName(name); err != nil {
		return err
	}
	unlock, err := lock(ctx, name)
	if err != nil {
		return err
	}
	defer unlock()
	root, err := findCgroupRoot()
	if err != nil {
		return err
	}
	all := cgroup{root: root, name: clusterGroup(name)}
	if err := all.kill(ctx); err != nil {
		return err
	}
	s, err := loadState(name)
	if err != nil && !errors.Is(err, ErrNoCluster) {
		return fmt.Errorf("%w (remove %s after looking at it)", err, stateDir(name))
	}
	if err == nil {
		if err := removeNetwork(ctx, s.Slot); err != nil {
			return err
		}
		if err := removeTraces(s); err != nil {
			return err
		}
	}
	if err := all.remove(); err != nil {
		return err
	}
	if err := removeState(name); err != nil {
		return err
	}
	// The last cluster takes the directories of all clusters with it; those that are
	// not empty refuse.
	os.Remove(stateRoot)
	return removeEmptyGroup()
}

// removeEmptyGroup removes the cgroup of all clusters, unless there are others.
func removeEmptyGroup() error {
	for _, kind := range []string{"cgroup", "cgroup2"} {
		roots, err := cgroupMounts(kind)
		if err != nil {
			return err
		}
		for _, root := range roots {
			os.Remove(filepath.Join(root, filepath.Dir(clusterGroup("any"))))
		}
	}
	return nil
}

// removeState removes the nodes' directories first and the state file last: it
// says that there is something to take down.
func removeState(name string) error {
	nodes, err := filepath.Glob(filepath.Join(stateDir(name), "*", ""))
	if err != nil {
		return fmt.Errorf("remove state of cluster %q: %w", name, err)
	}
	for _, dir := range nodes {
		if filepath.Base(dir) == stateFile {
			continue
		}
		if err := removeTree(dir); err != nil {
			return err
		}
	}
	return removeTree(stateDir(name))
}

// nspawnDir is where systemd-nspawn keeps what it would have removed itself, had
// it not been killed.
const nspawnDir = "/run/systemd/nspawn"

func removeTraces(s state) error {
	for i := 1; i <= s.Hosts; i++ {
		h := newHost(s, "", i)
		traces := []string{filepath.Join(nspawnDir, "propagate", h.link)}
		var root unix.Stat_t
		if err := unix.Stat(h.rootDir(), &root); err == nil {
			traces = append(traces, filepath.Join(nspawnDir, "locks", fmt.Sprintf("inode-%d:%d", root.Dev, root.Ino)))
		}
		for _, path := range traces {
			if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("remove what %s left: %w", h.Name, err)
			}
		}
	}
	return nil
}
