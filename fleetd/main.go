package main

import (
	"context"
	"fmt"
	"log/slog"
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
	read := func() (invocation, error) { return parse(os.Args[1:], os.Environ(), os.Geteuid() == 0) }
	inv, err := read()
	if err == nil && !inv.help && !inv.version {
		_, err = inv.settings.offer()
	}
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
	case inv.check:
		return 0
	}
	level := new(slog.LevelVar)
	level.Set(inv.settings.LogLevel)
	log := newLogger(inv.settings.LogFormat, level, os.Stderr)
	for _, warning := range inv.warnings {
		log.Warn(warning)
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	reload := Reload{Requests: hangups, Level: level, Read: func() (Settings, error) {
		again, err := read()
		return again.settings, err
	}}
	if err := Run(ctx, inv.settings, reload, log); err != nil {
		log.Error("fleetd stops", "err", err)
		return 1
	}
	return 0
}
