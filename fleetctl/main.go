package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for s := range signals {
			if s == os.Interrupt && a.editing.Load() {
				continue
			}
			signal.Stop(signals) // a second one ends the process at once
			cancel()
			return
		}
	}()
	os.Exit(int(a.run(ctx, os.Args[1:])))
}
