// Package simulation runs whole clusters in one process, in a bubble of
// testing/synctest: the real agent, engine, registry, sessions and fences, over the
// in-memory store and in-memory systemds. Faults come from a seed; what is
// asserted is what holds when the cluster has become quiet, and what may never
// have happened on the way there. It has tests only.
//
// # Histories
//
// TestHistories makes up lists of acts (imagine): what users and operators do, and what
// befalls machines, processes, the network and the store. A list is played
// on a stage of its own (play), and judged when everything is over (judge). One that fails is made
// shorter (shrink) and printed; it can be played again from a file (-replay). Those that failed once are kept in testdata.
//
// Each machine's fleetd has a clock that may be set (clock). Fences and systemds count what has passed.
//
// # Fate
//
// Older, and drawing its lots while it runs, so that its histories can be longer: a time of unrest, in which users, operators and
// faults act at once; a storm of faults on several machines at a time while nobody asks for
// anything, which no healthy unit on a machine that kept its session may notice; and
// another one, at the beginning of which one unit is restarted, which it has to be once.
package simulation
