// Package simulation runs whole clusters in one process, in a bubble of
// testing/synctest: the real agent, engine, registry and sessions, over the
// in-memory store and in-memory systemds. Faults come from a seed; what is
// asserted is what holds when the cluster has become quiet, and what may never
// have happened on the way there. It has tests only.
//
// A history has three parts: a time of unrest, in which users, operators and
// faults act at once; a storm of faults on several machines at a time while nobody asks for
// anything, which no healthy unit on a machine that kept its session may notice; and
// another one, at the beginning of which one unit is restarted, which it has to be once.
package simulation
