package testbed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Host is one machine with systemd as PID 1. Its methods may be called from
// several goroutines and processes.
type Host struct {
	node

	// MachineID is /etc/machine-id: the same for a host of the same index in a
	// cluster of the same name, also after Down and Up.
	MachineID string
}

// State is what a host is doing, as a person would say it.
type State string

const (
	Off     State = "off"     // no process: never booted, killed, or powered off
	Booting State = "booting" // PID 1 is on its way to basic.target
	Running State = "running"
	Paused  State = "paused" // the whole host, or its fleetd, is stopped by signal
	CutOff  State = "cut"    // runs, without (all of) its network
)

func newHost(s state, root string, index int) *Host {
	n := newNode(s, root, "h", index, index)
	id := sha256.Sum256([]byte("fleet-testbed " + s.Name + " " + n.Name))
	return &Host{node: n, MachineID: fmt.Sprintf("%x", id[:16])}
}

// URL is where the host's API answers.
func (h *Host) URL() string { return fmt.Sprintf("http://%s:%d", h.Address, apiPort) }

// State looks at the host; it never waits for it.
func (h *Host) State(ctx context.Context) (State, error) {
	populated, err := h.group.populated()
	if err != nil {
		return "", err
	}
	if !populated {
		return Off, nil
	}
	frozen, err := h.group.frozen()
	if err != nil {
		return "", err
	}
	if frozen {
		return Paused, nil
	}
	if !h.ready(ctx) {
		return Booting, nil
	}
	if stopped, err := h.fleetdStopped(ctx); err != nil || stopped {
		return Paused, err
	}
	c, err := h.readCut()
	if err != nil {
		return "", err
	}
	if c.Mode != "" {
		return CutOff, nil
	}
	return Running, nil
}

func (h *Host) ready(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := h.Exec(ctx, "systemctl", "is-active", "--quiet", "basic.target", "dbus.service")
	return err == nil
}

// Leader returns the process id, as this machine sees it, of the host's PID 1.
func (h *Host) Leader() (int, error) {
	// PID 1 starts in the payload and moves itself to init.scope, where its
	// generators live for a moment too.
	for _, child := range []string{"payload/init.scope", "payload"} {
		pids, err := h.group.processes(child)
		if err != nil {
			return 0, err
		}
		for _, pid := range pids {
			if inner, err := innerPID(pid); err == nil && inner == 1 {
				return pid, nil
			}
		}
	}
	return 0, fmt.Errorf("host %s %w", h.Name, ErrOff)
}

// MainPID returns the main process of one of the host's units: its id as this
// machine sees it, and as the host does. A unit without a process has 0 for both.
func (h *Host) MainPID(ctx context.Context, unit string) (outer, inner int, err error) {
	out, err := h.Exec(ctx, "systemctl", "show", "--value", "--property=MainPID", unit)
	if err != nil {
		return 0, 0, err
	}
	inner, err = strconv.Atoi(strings.TrimSpace(out))
	if err != nil {
		return 0, 0, fmt.Errorf("read main process of %s on %s: %w", unit, h.Name, err)
	}
	if inner == 0 {
		return 0, 0, nil
	}
	pids, err := h.PIDs(ctx, unit)
	if err != nil {
		return 0, 0, err
	}
	for _, pid := range pids {
		if in, err := innerPID(pid); err == nil && in == inner {
			return pid, inner, nil
		}
	}
	return 0, 0, fmt.Errorf("main process %d of %s on %s ended while it was looked up", inner, unit, h.Name)
}

// PIDs returns all processes of one of the host's units, as this machine sees
// them.
func (h *Host) PIDs(ctx context.Context, unit string) ([]int, error) {
	out, err := h.Exec(ctx, "systemctl", "show", "--value", "--property=ControlGroup", unit)
	if err != nil {
		return nil, err
	}
	group := strings.TrimSpace(out)
	if group == "" {
		return nil, nil
	}
	var pids []int
	top := filepath.Join("payload", group)
	err = filepath.WalkDir(filepath.Join(h.group.path(), top), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.IsDir() {
			return err
		}
		child, err := filepath.Rel(h.group.path(), path)
		if err != nil {
			return err
		}
		more, err := h.group.processes(child)
		pids = append(pids, more...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list processes of %s on %s: %w", unit, h.Name, err)
	}
	return pids, nil
}

// Live counts the units in one of the host's slices that have a cgroup, which is while they have processes: "system.slice". It
// asks the kernel, and nobody on the host.
func (h *Host) Live(slice string) (int, error) {
	entries, err := os.ReadDir(filepath.Join(h.group.path(), "payload", slice))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("count the units in %s on %s: %w", slice, h.Name, err)
	}
	count := 0
	for _, entry := range entries {
		if entry.IsDir() {
			count++
		}
	}
	return count, nil
}

// innerPID returns the id that a process has in its own, innermost namespace.
func innerPID(pid int) (int, error) {
	value, err := procStatus(pid, "NSpid")
	if err != nil {
		return 0, err
	}
	ids := strings.Fields(value)
	if len(ids) < 2 {
		return 0, fmt.Errorf("process %d is in no namespace", pid)
	}
	return strconv.Atoi(ids[len(ids)-1])
}

func procStatus(pid int, key string) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value), nil
		}
	}
	return "", fmt.Errorf("process %d has no %s", pid, key)
}
