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

// Fleetctl runs fleetctl against any live host and returns its standard output.
// An error wraps its *exec.ExitError and says what it wrote to its standard error.
func (c *Cluster) Fleetctl(ctx context.Context, args ...string) (string, error) {
	h, err := c.LiveHost(ctx)
	if err != nil {
		return "", err
	}
	return finish(c.FleetctlCommand(ctx, h, args...))
}
