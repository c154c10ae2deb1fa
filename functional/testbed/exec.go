package testbed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Exec runs a command on the host, as root in all of the host's namespaces, and
// returns its standard output. An error wraps the command's *exec.ExitError and
// says what it wrote to its standard error.
func (h *Host) Exec(ctx context.Context, args ...string) (string, error) {
	cmd, err := h.Command(ctx, args...)
	if err != nil {
		return "", err
	}
	// nsenter waits for a child of its own, which is what has to end with ctx.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	out, err := finish(cmd)
	if err != nil {
		return out, fmt.Errorf("on %s: %w", h.Name, err)
	}
	return out, nil
}

// Command prepares a command to run on the host; its streams are the caller's to
// set.
func (h *Host) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	leader, err := h.Leader()
	if err != nil {
		return nil, err
	}
	enter := append([]string{"--target", strconv.Itoa(leader), "--all", "--root", "--wd", "--"}, args...)
	cmd := exec.CommandContext(ctx, "nsenter", enter...)
	cmd.Env = []string{defaultPath, "HOME=/root", "LANG=C.UTF-8", "TERM=" + os.Getenv("TERM"), "SYSTEMD_PAGER="}
	return cmd, nil
}

// LogCommand prepares a journalctl for the host's fleetd; it also works on a host
// that is off.
func (h *Host) LogCommand(ctx context.Context, args ...string) (*exec.Cmd, error) {
	args = append([]string{"journalctl", "--unit=fleetd.service", "--no-pager"}, args...)
	if _, err := h.Leader(); err == nil {
		return h.Command(ctx, args...)
	}
	args = append([]string{h.rootDir()}, append(args, "--directory=/var/log/journal")...)
	cmd := exec.CommandContext(ctx, "chroot", args...)
	cmd.Env = []string{defaultPath, "LANG=C.UTF-8"}
	return cmd, nil
}

// Logs returns the journal of the host's fleetd; args go to journalctl.
func (h *Host) Logs(ctx context.Context, args ...string) (string, error) {
	cmd, err := h.LogCommand(ctx, args...)
	if err != nil {
		return "", err
	}
	return finish(cmd)
}

// WriteFile puts a file on the host, running or off, in one step: a program that
// runs from the old file keeps it. A path that leads through an absolute symbolic
// link is refused.
func (h *Host) WriteFile(path string, data []byte, mode os.FileMode) error {
	root, err := h.openRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	path = strings.TrimPrefix(path, "/")
	if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("write on %s: %w", h.Name, err)
	}
	temporary := path + ".new"
	if err := writePieces(root, temporary, data, mode); err != nil {
		return fmt.Errorf("write on %s: %w", h.Name, err)
	}
	if err := root.Rename(temporary, path); err != nil {
		return fmt.Errorf("write on %s: %w", h.Name, err)
	}
	return nil
}

// piece is how much of a file is written at once. Kernels keep what comes in one piece in pages as large as that, and map a program
// of such pages whole; package managers, by whom programs come to hosts, write small pieces.
const piece = 32 << 10

// writePieces is root.WriteFile in small pieces.
func writePieces(root *os.Root, name string, data []byte, mode os.FileMode) error {
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(data, piece) {
		if _, err := file.Write(some); err != nil {
			file.Close()
			return err
		}
	}
	return file.Close()
}

// ReadFile reads a file of the host, running or off.
func (h *Host) ReadFile(path string) ([]byte, error) {
	root, err := h.openRoot()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	data, err := root.ReadFile(strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil, fmt.Errorf("read on %s: %w", h.Name, err)
	}
	return data, nil
}

// CopyFile puts a file of this machine on the host.
func (h *Host) CopyFile(from, to string, mode os.FileMode) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy to %s: %w", h.Name, err)
	}
	return h.WriteFile(to, data, mode)
}

// openRoot opens the file system as the host sees it, with /run; of a host that is
// off, its disk.
func (h *Host) openRoot() (*os.Root, error) {
	dir := h.rootDir()
	if leader, err := h.Leader(); err == nil {
		dir = fmt.Sprintf("/proc/%d/root/", leader)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open file system of %s: %w", h.Name, err)
	}
	return root, nil
}

// RemoveAll removes a file or folder of the host, running or off, with all that is in it.
func (h *Host) RemoveAll(path string) error {
	root, err := h.openRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.RemoveAll(strings.Trim(path, "/")); err != nil {
		return fmt.Errorf("remove on %s: %w", h.Name, err)
	}
	return nil
}
