package testbed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// BootDeadline is for one boot on a machine that is busy with others; alone it takes
// less than a second.
const BootDeadline = time.Minute

const consoleLog = "console.log"

// supervisor starts the host again when it asked for that: with --keep-unit,
// systemd-nspawn leaves a reboot to whoever started it and ends with 133.
const supervisor = `while :; do "$@"; code=$?; [ $code -eq 133 ] || exit $code; done`

// Boot switches the host on and returns when its systemd has reached basic.target
// and its D-Bus answers. fleetd may still be starting: it may need other hosts for
// that. A host that is on is only waited for.
func (h *Host) Boot(ctx context.Context) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return h.boot(ctx)
}

func (h *Host) boot(ctx context.Context) error {
	populated, err := h.group.populated()
	if err != nil {
		return err
	}
	if populated {
		return h.waitReady(ctx)
	}
	if err := h.ensureNetwork(ctx); err != nil {
		return err
	}
	err = h.launch(ctx, consoleLog, []string{"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1"},
		"sh", "-c", supervisor, h.Name,
		"systemd-nspawn", "--quiet", "--boot", "--directory="+h.rootDir(), "--machine="+h.link, "--hostname="+h.Name,
		"--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
		"--network-namespace-path="+filepath.Join(netnsDir, h.link))
	if err != nil {
		return err
	}
	return h.waitReady(ctx)
}

// rootDir is the host's root file system as mounted on this machine.
func (h *Host) rootDir() string { return filepath.Join(h.dir, "root") }

func (h *Host) waitReady(ctx context.Context) error {
	if frozen, err := h.group.frozen(); err != nil || frozen {
		return errors.Join(err, fmt.Errorf("boot %s: the whole host is paused; resume it first", h.Name))
	}
	ctx, cancel := context.WithTimeout(ctx, BootDeadline)
	defer cancel()
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		populated, err := h.group.populated()
		if err != nil {
			return false, err
		}
		if !populated {
			return false, errors.New("it went off while booting")
		}
		leader, err := h.Leader()
		if err != nil {
			return false, nil
		}
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/root/run/systemd/private", leader)); err != nil {
			return false, nil
		}
		// Joins the job that is under way and returns with its end.
		_, err = h.Exec(ctx, "systemctl", "start", "basic.target", "dbus.service")
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("boot %s: %w; the end of its console:\n%s", h.Name, err, h.logTail(consoleLog))
	}
	return nil
}

// Kill pulls the host's power: every process ends at once, nothing is told. A
// host that is off stays so.
func (h *Host) Kill(ctx context.Context) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return h.group.kill(ctx)
}

// PowerOff shuts the host down in order and returns when it is off.
func (h *Host) PowerOff(ctx context.Context) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := h.Exec(ctx, "systemctl", "poweroff"); err != nil && !errors.Is(err, ErrOff) {
		return err
	}
	return h.group.waitEmpty(ctx)
}

// Reboot restarts the host in order and returns when it is ready again, as after
// Boot.
func (h *Host) Reboot(ctx context.Context) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	before, err := h.Leader()
	if err != nil {
		return err
	}
	if _, err := h.Exec(ctx, "systemctl", "reboot"); err != nil {
		return err
	}
	err = poll(ctx, 20*time.Millisecond, func() (bool, error) {
		_, err := os.Stat(fmt.Sprintf("/proc/%d", before))
		return errors.Is(err, fs.ErrNotExist), nil
	})
	if err != nil {
		return fmt.Errorf("reboot %s: %w", h.Name, err)
	}
	return h.waitReady(ctx)
}

// Freeze stops every process of the host, its PID 1 included, as a hypervisor
// pauses a machine. Thaw continues it.
func (h *Host) Freeze(ctx context.Context) error { return h.freeze(ctx, true) }

// Thaw ends a Freeze.
func (h *Host) Thaw(ctx context.Context) error { return h.freeze(ctx, false) }

// Resume ends whatever pauses the host: a Freeze, a PauseFleetd, or both.
func (h *Host) Resume(ctx context.Context) error {
	if err := h.Thaw(ctx); err != nil {
		return err
	}
	if stopped, err := h.fleetdStopped(ctx); err != nil || !stopped {
		return err
	}
	return h.ResumeFleetd(ctx)
}

func (h *Host) freeze(ctx context.Context, frozen bool) error {
	unlock, err := h.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	populated, err := h.group.populated()
	if err != nil {
		return err
	}
	if !populated {
		return fmt.Errorf("host %s %w", h.Name, ErrOff)
	}
	return h.group.freeze(ctx, frozen)
}
