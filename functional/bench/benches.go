package main

import (
	"context"
	"io"
)

// bench is one sub-command.
type bench struct {
	name  string
	about string // one line for help
	runs  int    // how many, unless --count says so
	run   func(context.Context, options) ([]row, error)
}

// benches lists them, in the order of the handbook.
func benches() []bench {
	return []bench{
		{"schedule", "the engine's brain: placements per second, memory, and how well it packs", 3, schedule},
		{"failover", "for how long units are nowhere when something happens to their machine, on real hosts (root)", 20, failover},
	}
}

// options are the same for every bench.
type options struct {
	source   string // root of the repository
	count    int    // how many runs the medians are of
	short    bool   // leave out what takes long
	only     string // the benchmarks to run, as go test -bench takes it; empty: all
	progress io.Writer
}
