package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

type mountPoint struct {
	point string
	kind  string
}

// mountTable reads what is mounted where, in the order of mounting
// (proc_pid_mountinfo(5)).
func mountTable() ([]mountPoint, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list mounts: %w", err)
	}
	var mounts []mountPoint
	for line := range strings.Lines(string(data)) {
		left, right, ok := strings.Cut(line, " - ")
		fields := strings.Fields(left)
		if !ok || len(fields) < 5 {
			continue
		}
		kind, _, _ := strings.Cut(right, " ")
		mounts = append(mounts, mountPoint{point: fields[4], kind: kind})
	}
	return mounts, nil
}

func mounted(path string) (bool, error) {
	mounts, err := mountTable()
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(mounts, func(m mountPoint) bool { return m.point == path }), nil
}

// removeTree deletes a directory after everything mounted in it is unmounted. It
// never deletes through a mount: a leftover bind mount of /dev would be the
// machine's own.
func removeTree(dir string) error {
	mounts, err := mountTable()
	if err != nil {
		return err
	}
	slices.Reverse(mounts)
	for _, m := range mounts {
		if m.point != dir && !strings.HasPrefix(m.point, dir+"/") {
			continue
		}
		if err := unix.Unmount(m.point, 0); err != nil {
			return fmt.Errorf("unmount %s: %w", m.point, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", dir, err)
	}
	return nil
}

// mountOverlay lays a host's disk over the shared tree. Where the state
// directory's file system cannot hold the upper layer (it is an overlay itself,
// as in many containers) the disk is a tmpfs.
func mountOverlay(lower, dir string) error {
	root := filepath.Join(dir, "root")
	if is, err := mounted(root); is || err != nil {
		return err
	}
	err := tryOverlay(lower, filepath.Join(dir, "disk"), root)
	if err == nil {
		return nil
	}
	memory := filepath.Join(dir, "memory")
	if is, mountErr := mounted(memory); mountErr != nil {
		return mountErr
	} else if !is {
		if mountErr := os.MkdirAll(memory, 0o755); mountErr != nil {
			return fmt.Errorf("mount disk of %s: %w", dir, mountErr)
		}
		if mountErr := unix.Mount("tmpfs", memory, "tmpfs", 0, "mode=0755"); mountErr != nil {
			return fmt.Errorf("mount disk of %s: %w (and before: %w)", dir, mountErr, err)
		}
	}
	return tryOverlay(lower, filepath.Join(memory, "disk"), root)
}

func tryOverlay(lower, disk, root string) error {
	upper, work := filepath.Join(disk, "upper"), filepath.Join(disk, "work")
	for _, dir := range []string{upper, work, root} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("mount overlay on %s: %w", root, err)
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", lower, upper, work)
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return fmt.Errorf("mount overlay on %s: %w", root, err)
	}
	return nil
}
