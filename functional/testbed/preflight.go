package testbed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// preflight says what this machine lacks to have hosts, before anything is made.
func preflight() error {
	if os.Geteuid() != 0 {
		return errors.New("systemd hosts need root: run this as root")
	}
	var missing []string
	for _, command := range []string{"mmdebstrap", "systemd-nspawn", "nsenter", "ip", "nft"} {
		if _, err := exec.LookPath(command); err != nil {
			missing = append(missing, command)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("not installed: %s (apt-get install mmdebstrap systemd-container util-linux iproute2 nftables)", strings.Join(missing, ", "))
	}
	root, err := findCgroupRoot()
	if err != nil {
		return err
	}
	probe := cgroup{root: root, name: "fleet-testbed"}
	if err := probe.create(); err != nil {
		return fmt.Errorf("systemd hosts need a writable cgroup2 hierarchy: %w", err)
	}
	if _, err := os.Stat(filepath.Join(probe.path(), "cgroup.kill")); err != nil {
		return fmt.Errorf("systemd hosts need Linux 5.14 or newer (cgroup.kill): %w", err)
	}
	return nil
}
