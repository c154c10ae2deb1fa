package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"fleet/fleetd/leaving"
)

const handOverHelp = `fleetd handover has the fleetd of this host hand its units over to other machines, if systemd shuts the host down,
and waits until that is done. It is run by systemd when fleet-handover.service is stopped, and takes the settings of fleetd.
`

// handOverCommand is "fleetd handover". It returns 1 when not all was done that could have been; the shutdown goes on in any case.
func handOverCommand(args, environ []string, stdout io.Writer, stderr *os.File) int {
	inv, err := parse(args, environ, os.Geteuid() == 0)
	if err == nil && inv.help {
		fmt.Fprint(stdout, handOverHelp)
		return 0
	}
	if err != nil {
		// With settings that cannot be read, fleetd is where the defaults have it, if anywhere.
		fmt.Fprintf(stderr, "fleetd handover: %v\n", err)
	}
	settings, err := inv.settings.settled(inv.settings.directoriesFile())
	if err != nil {
		fmt.Fprintf(stderr, "fleetd handover: %v\n", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := leaving.Ask(ctx, settings.handOverSocket(), stdout); err != nil {
		fmt.Fprintf(stderr, "fleetd handover: %v\n", err)
		return 1
	}
	return 0
}

func (s Settings) handOverSocket() string { return filepath.Join(s.StateDir, "handover.sock") }
