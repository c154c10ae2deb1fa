// Package model explores, exhaustively and over small discrete times, whether
// a unit that says AtMostOnce can run twice: what the store, the fence, PID 1,
// the agent and the engine may do, in every order and with every delay. It has
// tests only.
//
// One machine, A, runs the unit under a session. Its fence renews the lease,
// feeds PID 1's watchdog after renewals, and is killed, with the unit, when it
// does not. When the lease has ended the engine may have the unit started on
// B. All clocks go at one rate. Whatever a process may do it may also do later
// or never, so that a pause, a crash and a lost message need no words of their
// own; only PID 1 is in time: it kills a fence that has not fed its watchdog,
// and what is left of the unit when the kill delay is over. A lease may
// outlive its time, never the other way round.
//
// What it shows: with R (how old an answered renewal may be), W (the watchdog)
// and K (the kill delay) there is an overlap if and only if R + W + K >= TTL,
// provided that the kernel kills the fence R + W after the last good renewal
// was sent. Without that deadline W counts twice, as a fence that is stopped
// between looking at the age of an answer and feeding the watchdog feeds it up
// to a whole W late; and nobody watches a fence that is not ready yet. Units
// are started by systemd itself too (Restart=), so a start needs a permit of
// the fence's own session; a permit that does not tell its session is not
// enough while the agent may still be writing one for the session before; and
// a fence process that went on with another session would vouch for units
// that were started under the former one.
package model
