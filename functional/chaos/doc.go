// Command chaos is what scripts/chaos runs: it has a cluster of real hosts work while it breaks
// them, and says whether what fleet promises held.
//
// On four hosts with an agent_ttl of 10 s run plain units and units that say AtMostOnce and ignore SIGTERM,
// some that nobody touches and some of customers who submit, restart, stop and destroy them all the
// time. Meanwhile one fault follows the other, sometimes two at a time on two hosts, each for shorter or for longer than a lease lives.
// In the end everything is healed, and within a bound everybody has to have what was asked for last.
//
//	fault.go     what is done to a host, and undone
//	plan.go      which faults, on which hosts, for how long: it follows from the seed alone
//	load.go      the units and their customers
//	run.go       the run
//	verdict.go   what came of it
//
// The witness is package record: what each host's own systemd said of every start and end. A run fails
// when two copies of an AtMostOnce unit ran at one time, however short, or when the cluster does not
// come to rest as was asked. Two copies of plain units while their machine cannot be seen, and the times for which units were nowhere, are counted.
//
// # What it leaves out
//
// Steps of the clock: the hosts share the kernel's one clock of the day, and a step would be one for the
// witness, too; CLOCK_MONOTONIC could be shifted in a time namespace, but not stepped.
// That a whole host stands still and goes on (a virtual machine that is paused): what it ran goes on with
// it for the moment that its systemd needs, before anything of it could be stopped; docs/failures.md says what is left to do about that.
package main
