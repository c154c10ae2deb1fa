package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"fleet/cluster"
)

func main() {
	os.Exit(fleetd(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
}

// fleetd returns 0 after an orderly stop, 1 after a failure, 2 for settings that cannot be used.
func fleetd(args, environ []string, stdout io.Writer, stderr *os.File) int {
	if len(args) > 0 && args[0] == "fence" {
		return fenceCommand(args[1:], environ, stdout, stderr)
	}
	if len(args) > 0 && args[0] == "handover" {
		return handOverCommand(args[1:], environ, stdout, stderr)
	}
	read := func() (invocation, error) {
		inv, err := parse(args, environ, os.Geteuid() == 0)
		if err != nil || inv.help || inv.version {
			return inv, err
		}
		warnings, err := inv.settings.certificateFiles()
		inv.warnings = append(inv.warnings, warnings...)
		return inv, err
	}
	inv, err := read()
	if err == nil && !inv.help && !inv.version {
		_, err = inv.settings.offer()
	}
	switch {
	case err != nil:
		fmt.Fprintf(stderr, "fleetd: %v\n", err)
		return 2
	case inv.help:
		fmt.Fprint(stdout, help())
		return 0
	case inv.version:
		fmt.Fprintf(stdout, "fleetd version %s\n", cluster.Version)
		return 0
	case inv.check:
		for _, warning := range inv.warnings {
			fmt.Fprintf(stderr, "fleetd: warning: %s\n", warning)
		}
		return 0
	}
	level := new(slog.LevelVar)
	level.Set(inv.settings.LogLevel)
	log := newLogger(inv.settings.LogFormat, level, stderr)
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
	if err := Run(ctx, inv.settings.settle(inv.settings.directoriesFile(), log), reload, log); err != nil {
		log.Error("fleetd stops", "err", err)
		return 1
	}
	return 0
}
