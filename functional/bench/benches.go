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
		{"start", "from a request to the unit's process, beside systemctl, on real hosts (root)", 100, start},
		{"bulk", "many units started and destroyed over three hosts, beside systemctl, on real hosts (root)", 3, bulk},
		{"idle", "what a cluster costs in which nothing happens, on real hosts (root)", 1, idle},
		{"agent", "one fleetd with many units on its host (root)", 3, agents},
		{"failover", "for how long units are nowhere when something happens to their machine, on real hosts (root)", 20, failover},
		{"scale", "a thousand machines with a hundred units each: real agents, registry and engine, hollow hosts, a real etcd", 1, scale},
		{"api", "one server of the API over a unix socket: lists, single reads, streams, while units change; fleetctl list-units", 3, apiServer},
		{"store", "what units, moves and states cost etcd: revisions and bytes; its growth; engine and cache behind a compaction", 1, storeBench},
	}
}

// options are the same for every bench.
type options struct {
	source   string // root of the repository
	count    int    // how many runs the medians are of
	short    bool   // leave out what takes long
	only     string // the benchmarks to run, as go test -bench takes it; empty: all
	profile  string // a folder for profiles; empty: none
	progress io.Writer
}
