// Package presence keeps one machine in the cluster: session after session,
// each with its agent served and, if wanted, a candidate for the engine.
//
// It writes nothing itself; the registry writes the machine's record, the
// agent its report, the engine its orders. A session ends when its lease has
// ended; the next one begins at once. When its context ends, Run returns and
// the lease is left to run out: stopping fleetd is not leaving the cluster.
//
// Run gives up only when another host has this machine's id. Anything else
// that the store refuses is retried.
package presence
