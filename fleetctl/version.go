package main

import (
	"strings"

	"github.com/coreos/go-semver/semver"
	"github.com/spf13/cobra"

	"fleet/cluster"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of fleetctl and of the fleetd that answers",
		Long: `Print the versions of fleetctl and of the fleetd that answers. That none answers is told, and is no failure;
"fleetctl --version" does not ask.`,
		Example: `  fleetctl version
  fleetctl --endpoint https://10.0.0.1:49153 version`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.version(cmd) },
	}
}

// version is also for finding out why there is no connection, so that is no failure here.
func (a *app) version(cmd *cobra.Command) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	server, err := c.Version(cmd.Context())
	if err != nil {
		a.complain("fleetd version unknown: %v", err)
	}
	if a.structured() {
		versions := struct {
			Client string `json:"client"`
			Server string `json:"server,omitempty"`
		}{cluster.Version, server}
		return entities(a, []any{versions})
	}
	a.say("fleetctl version %s", cluster.Version)
	if server != "" {
		a.say("fleetd version %s", server)
	}
	if newer(server, cluster.Version) {
		a.complain("this fleetctl is older than the cluster's fleetd: what is new there it does not show")
	}
	return nil
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
