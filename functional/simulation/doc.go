// Package simulation runs whole clusters in one process, in a bubble of
// testing/synctest: the real agent, engine, registry and sessions, over the
// in-memory store and in-memory systemds. Faults come from a seed; what is
// asserted is what holds when the cluster has become quiet, and what may never
// have happened on the way there. It has tests only.
package simulation
