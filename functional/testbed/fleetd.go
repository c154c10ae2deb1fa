package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	apiPort    = 49153
	clientPort = 2379
	peerPort   = 2380

	fleetdUnit = "fleetd.service"
	confFile   = "/etc/fleet/fleet.conf"
)

// InstallFleetd puts a fleetd binary on the host. The fleetd that runs is not
// touched: RestartFleetd makes it the new one.
func (h *Host) InstallFleetd(binary string) error {
	return h.CopyFile(binary, "/usr/bin/fleetd", 0o755)
}

// RestartFleetd restarts the host's fleetd and waits for systemd's word that it is
// up.
func (h *Host) RestartFleetd(ctx context.Context) error {
	if _, err := h.Exec(ctx, "systemctl", "daemon-reload"); err != nil {
		return err
	}
	_, err := h.Exec(ctx, "systemctl", "restart", fleetdUnit)
	return err
}

// PauseFleetd stops the host's fleetd by SIGSTOP: it is there and does nothing.
func (h *Host) PauseFleetd(ctx context.Context) error { return h.signalFleetd(ctx, syscall.SIGSTOP) }

// ResumeFleetd ends a PauseFleetd.
func (h *Host) ResumeFleetd(ctx context.Context) error { return h.signalFleetd(ctx, syscall.SIGCONT) }

// KillFleetd ends the host's fleetd by SIGKILL; systemd starts it again.
func (h *Host) KillFleetd(ctx context.Context) error { return h.signalFleetd(ctx, syscall.SIGKILL) }

func (h *Host) signalFleetd(ctx context.Context, signal syscall.Signal) error {
	return h.Signal(ctx, fleetdUnit, signal)
}

// Signal sends a signal to the main process of one of the host's units. After SIGSTOP it has stopped when Signal returns.
func (h *Host) Signal(ctx context.Context, unit string, signal syscall.Signal) error {
	pid, _, err := h.MainPID(ctx, unit)
	if err != nil {
		return err
	}
	if pid == 0 {
		return fmt.Errorf("send %s to %s on %s: it does not run", signal, unit, h.Name)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		return fmt.Errorf("send %s to %s on %s: %w", signal, unit, h.Name, err)
	}
	if signal != syscall.SIGSTOP {
		return nil
	}
	return poll(ctx, 2*time.Millisecond, func() (bool, error) { return stopped(pid) })
}

func (h *Host) fleetdStopped(ctx context.Context) (bool, error) {
	pid, _, err := h.MainPID(ctx, fleetdUnit)
	if err != nil || pid == 0 {
		return false, err
	}
	return stopped(pid)
}

func stopped(pid int) (bool, error) {
	state, err := procStatus(pid, "State")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return false, nil
	}
	return strings.HasPrefix(state, "T"), err
}

// install makes the host's disk what the cluster's state says, whether the host is
// on or off, and reports whether fleetd has to be restarted for it.
func (h *Host) install(s state) (changed bool, err error) {
	files := map[string]string{
		"/etc/hostname":   h.Name + "\n",
		"/etc/machine-id": h.MachineID + "\n",
		"/etc/hosts":      "127.0.0.1 localhost\n" + fmt.Sprintf("%s %s\n", h.Address, h.Name),
	}
	for _, path := range sortedKeys(files) {
		if _, err := h.ReadFile(path); err == nil && path == "/etc/machine-id" {
			continue // a test may have given the host another identity
		}
		if err := h.WriteFile(path, []byte(files[path]), 0o644); err != nil {
			return false, err
		}
	}
	if s.Bare {
		return false, nil
	}

	type item struct {
		from, to string
		mode     os.FileMode
	}
	dist := filepath.Join(s.Source, "scripts/dist")
	for _, f := range []item{
		{filepath.Join(s.Source, "bin/fleetd"), "/usr/bin/fleetd", 0o755},
		{filepath.Join(s.Source, "bin/fleetctl"), "/usr/bin/fleetctl", 0o755},
		{filepath.Join(dist, "fleetd.service"), "/etc/systemd/system/fleetd.service", 0o644},
		{filepath.Join(dist, "fleet.socket"), "/etc/systemd/system/fleet.socket", 0o644},
		{filepath.Join(dist, "fleet-fence.service"), "/etc/systemd/system/fleet-fence.service", 0o644},
		{filepath.Join(dist, "fleet-handover.service"), "/etc/systemd/system/fleet-handover.service", 0o644},
	} {
		data, err := os.ReadFile(f.from)
		if err != nil {
			return false, fmt.Errorf("install on %s: %w", h.Name, err)
		}
		did, err := h.update(f.to, data, f.mode)
		if err != nil {
			return false, err
		}
		changed = changed || did
	}
	did, err := h.update(confFile, []byte(h.config(s)), 0o644)
	if err != nil {
		return false, err
	}
	return changed || did, h.enable()
}

// update writes a file when it differs.
func (h *Host) update(path string, data []byte, mode os.FileMode) (changed bool, err error) {
	if old, err := h.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return false, nil
	}
	return true, h.WriteFile(path, data, mode)
}

// enable is systemctl enable for a host that may be off.
func (h *Host) enable() error {
	root, err := h.openRoot()
	if err != nil {
		return err
	}
	defer root.Close()
	for link, target := range map[string]string{
		"etc/systemd/system/multi-user.target.wants/fleetd.service":         "/etc/systemd/system/fleetd.service",
		"etc/systemd/system/multi-user.target.wants/fleet-handover.service": "/etc/systemd/system/fleet-handover.service",
		"etc/systemd/system/sockets.target.wants/fleet.socket":              "/etc/systemd/system/fleet.socket",
	} {
		if err := root.MkdirAll(filepath.Dir(link), 0o755); err != nil {
			return fmt.Errorf("enable fleetd on %s: %w", h.Name, err)
		}
		if err := root.Symlink(target, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("enable fleetd on %s: %w", h.Name, err)
		}
	}
	return nil
}

// config returns the host's fleet.conf.
func (h *Host) config(s state) string {
	settings := map[string]string{
		"public_ip":    h.Address.String(),
		"agent_ttl":    s.TTL.String(),
		"api_listen":   fmt.Sprintf("http://0.0.0.0:%d", apiPort),
		"api_insecure": "true", // plain HTTP, on a network that ends at this machine
		"log_level":    "info",
	}
	if metadata := s.Metadata[h.Index]; metadata != "" {
		settings["metadata"] = metadata
	}
	if slices.Contains(s.Members, h.Index) {
		settings["etcd_name"] = h.Name
		settings["etcd_initial_cluster"] = initialCluster(s)
		settings["etcd_listen_peer_urls"] = endpoint(h.Address, peerPort)
		settings["etcd_listen_client_urls"] = endpoint(h.Address, clientPort) + fmt.Sprintf(",http://127.0.0.1:%d", clientPort)
	} else {
		settings["etcd_servers"] = etcdServers(s)
	}
	maps.Copy(settings, s.Config)
	maps.DeleteFunc(settings, func(_, value string) bool { return value == "" })

	var text strings.Builder
	for _, key := range sortedKeys(settings) {
		fmt.Fprintf(&text, "%s = %s\n", key, settings[key])
	}
	return text.String()
}
