// Package record is the witness of the tests on real hosts: it writes down when
// each of fleet's units began and ended on each host, as the host's own systemd
// tells it, and finds what must not be: two copies at one time.
//
// # Where the facts come from
//
// A Recorder holds one connection to the PID 1 of each host, over systemd's own
// private socket. On it systemd tells every change of a unit's state, with the
// unit's invocation id and with its own times of CLOCK_MONOTONIC, which all hosts
// share, as they share one kernel. Nothing is asked for and no bus is between: the
// facts are in the signal, in order, one for each state that systemd was in when it
// came to tell. The record is in the memory of whoever tests, so that no death, full
// disk or cut of a host takes it away.
//
// That a host has died is seen by its PID 1 being gone, which the kernel lets happen
// only after all the host's other processes are: what ran there has ended by then.
//
// # What it does not see
//
// A run that both began and ended while PID 1 executed itself anew (milliseconds), or
// in one turn of its loop, has no signal of its own; the test of this package's truth
// holds the record against systemd's journal, invocation by invocation. A process
// that a unit left behind (KillMode=process) is none of the unit's to systemd, nor
// here. A unit that starts again by Restart= has ended and begun, and waits in
// between with no process.
//
// # Lifecycle
//
// New makes a Recorder, Follow adds a host, which may be off; Close ends it. Flush
// waits until what has happened is written down. Runs returns what was.
package record
