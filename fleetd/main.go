package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"fleet/cluster"
)

func main() {
	os.Exit(fleetd())
}

// fleetd returns 0 after an orderly stop, 1 after a failure, 2 for settings that cannot be used.
func fleetd() int {
	inv, err := parse(os.Args[1:], os.Environ(), os.Geteuid() == 0)
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "fleetd: %v\n", err)
		return 2
	case inv.help:
		fmt.Print(help())
		return 0
	case inv.version:
		fmt.Printf("fleetd version %s\n", cluster.Version)
		return 0
	}
	log := newLogger(inv.settings, os.Stderr)
	for _, warning := range inv.warnings {
		log.Warn(warning)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := Run(ctx, inv.settings, log); err != nil {
		log.Error("fleetd stops", "err", err)
		return 1
	}
	return 0
}
