package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/coreos/go-semver/semver"
	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of fleetctl and of the fleetd that answers",
		Long: `Print the versions of fleetctl and of the fleetd that answers. If none does, that of fleetctl is printed
nevertheless, and the exit code is 8. "fleetctl --version" does not ask.`,
		Example: `  fleetctl version
  fleetctl --endpoint https://10.0.0.1:49153 version`,
		Args:        needNothing,
		Annotations: map[string]string{offline: ""}, // it chooses the endpoint itself
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.version(cmd) },
	}
}

// version prints what is known, also if the other half cannot be had.
func (a *app) version(cmd *cobra.Command) error {
	server, unanswered := a.serverVersion(cmd.Context())
	if a.structured() {
		versions := struct {
			Client string `json:"client"`
			Server string `json:"server,omitempty"`
		}{cluster.Version, server}
		return cmp.Or(entities(a, []any{versions}), unanswered)
	}
	a.say("fleetctl version %s", cluster.Version)
	if server != "" {
		a.say("fleetd version %s", server)
	}
	if newer(server, cluster.Version) {
		a.complain("this fleetctl is older than the cluster's fleetd: what is new there it does not show")
	}
	return unanswered
}

func (a *app) serverVersion(ctx context.Context) (string, error) {
	if err := a.chooseEndpoint(ctx, false); err != nil {
		return "", err
	}
	c, err := a.connect()
	if err != nil {
		return "", err
	}
	defer c.Close()
	version, err := c.Version(ctx)
	if err != nil {
		err = remote(fmt.Errorf("the version of fleetd is unknown: %w", err))
	}
	return version, err
}

// newer compares by semantic versioning; what is no version is not newer.
func newer(server, ours string) bool {
	theirs, err := semver.NewVersion(strings.TrimPrefix(server, "v"))
	if err != nil {
		return false
	}
	mine, err := semver.NewVersion(ours)
	return err == nil && mine.LessThan(*theirs)
}
