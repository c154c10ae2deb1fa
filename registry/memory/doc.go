// Package memory is an etcd for tests: the semantics of registry.Store in one
// process, without a network, a disk or goroutines of its own.
//
// A Server holds the keys, every version of them until Compact, and the
// leases. Its only clock is the time package's, so in a testing/synctest
// bubble leases run out in virtual time. Each participant of a test gets a
// Client of its own, which can be cut off from the server and healed, slowed
// down, and whose process can be stopped, continued and killed, at one of its
// writes if need be. The Server can be halted, as one without a quorum, have
// another leader, and be restored to an earlier state.
//
// It promises what registry/storetest checks, and no more: no durability, no
// limits on sizes, no authentication. It lives as long as somebody refers to
// it; Close ends the watches and the timers of the leases.
package memory
