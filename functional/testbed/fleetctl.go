package testbed

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// FleetctlCommand prepares a fleetctl on this machine that talks to the host's
// API.
func (c *Cluster) FleetctlCommand(ctx context.Context, h *Host, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.current().Source, "bin/fleetctl"), args...)
	cmd.Env = append(os.Environ(), "FLEETCTL_ENDPOINT="+h.URL())
	return cmd
}
