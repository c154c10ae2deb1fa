// Package fence is what ends units that must never run on two machines before
// the machine's lease does: the process of fleet-fence.service, to which
// systemd binds them (BindsTo=).
//
// # What it promises
//
// The unit is gone by TTL after the last renewal of the lease was sent that
// came back, however renewals are lost, late or repeated, and whenever this
// process or fleetd is stopped, killed or slow. The times (Times) are
// counted from when a renewal was sent:
//
//	at Period + Renewal          no later one has come back: units with OnFence=freeze are frozen
//	at Renewal + Watchdog        the fence begins to end its units: systemd stops them
//	Kill later                   what is left of them is killed
//	TTL                          the lease ends, and another machine may start them
//
// A tenth of the TTL is left over.
//
// # What holds if this process does not
//
// systemd's watchdog (WatchdogSec=, set to Watchdog at the start) is fed only
// for a renewal that was sent no longer ago than Renewal. The kernel is given
// an absolute deadline of Renewal + Watchdog after each of them, and kills the
// process then; that covers a process that was stopped between looking at the
// clock and feeding. When the fence is dead systemd stops what is bound to it
// and runs Kill (ExecStopPost=), which ends by force what is left after the
// time Kill.
//
// # Who writes what
//
// fleetd writes the session file, which the fence reads, and the permits,
// without which no bound unit can be started; the fence removes those of other
// sessions before it says READY=1, and all of them when it ends its units. The
// fence writes what it guards (Guard); fleetd reads it.
//
// # Lifecycle
//
// One process guards one session. It waits for a session whose lease it can
// renew, and says READY=1 after the first renewal. When the lease has ended,
// or the machine has another session, it ends its units and itself, and
// systemd starts the next one. Renewals are sent every tenth of the TTL,
// whatever has become of those before. It renews the lease on its own, so a
// machine stays in the cluster while fleetd is stopped or upgraded.
//
// # What it does not promise
//
// Anything about a machine whose kernel stands still (a paused virtual
// machine): when it goes on, its units do for a moment too. Anything that a
// unit has under way elsewhere: a write that it sent before it was killed may
// arrive later; a store that keeps the greatest FLEET_FENCE it has seen, and
// refuses smaller ones, is safe. Processes that have left the unit's control
// group, such as containers of a daemon of their own, are not the unit's.
package fence
