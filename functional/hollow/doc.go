// Package hollow runs many machines of fleet in one process: the real agent, registry, sessions, election and
// engine, each machine with a connection to the store, leases and a state file of its own, and with an in-memory
// systemd (systemd/systemdtest) in the place of the real one.
//
//	machine.go   one machine: its host, and the fleetd on it
//	trouble.go   what fleetds complain of
//	line.go      its way to the store, which can be cut without a word
//	cluster.go   all of them, and what befalls them
//	api.go       a server of the API with its cache, and the user of it
//	judge.go     what the store says of the cluster, followed as it happens
//	audit.go     whether that is true: what hosts ran, and what the store holds
//	etcd.go      an etcd process, and what it costs; process.go: what any process costs
//	meter.go     what is written to the store
//	part.go      what an engine or a server of the API costs, alone in a process
//
// # What is not there
//
// A hollow machine has no processes, no D-Bus, no journal and no fence, and its fleetd serves no API: the cache of all
// records that goes with that is there as often as a Cluster has API servers (once). So it is in a real cluster of that size while
// nobody asks (api.Follow); each fleetd that somebody asks there has one as well, and in a small cluster every one.
// Records below the level of warnings are not written to a log.
//
// Whoever measures shares the processors with what is measured: the in-memory systemds, the judge, and all clients of
// the store. Times are upper bounds of what the same machines would take that each have their own processors.
package hollow
