// Package systemd is the only package that talks to the systemd of this host.
// It puts unit files there, starts and stops units, reads their states, and
// rings when something about them may have changed.
//
// # Who writes what
//
// Manager is the only writer of the units directory (/run/fleet/units, or
// $XDG_RUNTIME_DIR/fleet/units for a user's systemd), and of the symbolic
// links to files in it that lie in systemd's run-time directory
// (/run/systemd/system, $XDG_RUNTIME_DIR/systemd/user): one link per unit by
// which systemd finds it, and what [Install] asks for. Everything is below
// /run, so a machine that boots has no unit of fleet. Links are made before
// files and removed after them: after a crash at any point, a link without a
// file is garbage that the next connection sweeps, and a file is always linked.
//
// A unit whose file says AtMostOnce has a drop-in beside its link, which binds it to
// fleet-fence.service and keeps it from being started without a permit. Permits
// (/run/fleet/fence/<unit>.env) are written by Permit, and removed by Unload and by
// the fence (fleetd/fence). The drop-in is there before the file and goes after it.
//
// # Which bus
//
// The system bus (or the user's session bus), not systemd's private socket:
// the private socket is for systemctl, is not there for a user without a
// user manager's help, and dies with every daemon-reexec. The bus costs one
// hop, tells when systemd leaves it, and its own restart is one reconnect.
//
// One connection carries calls and signals, so that the reply to a call and
// the signals around it arrive in the order in which systemd sent them.
// Signals are handled where they are read, where names are marked and values kept: none is
// dropped, none can block, and memory is bounded by the number of fleet's
// units. go-systemd's channels promise neither; its method calls are used.
//
// With each change of a unit systemd sends all the values of it that can change, those of its type's interface first
// (bus_unit_send_change_signal in its source; before it tells that a job has ended, too). They are what States
// returns, as long as systemd's list of units agrees with them; what an older systemd does not send is asked for.
//
// # Lifecycle
//
// Run keeps the connection until its context ends. It reconnects with backoff
// when the bus or systemd went away; what was in flight then fails with
// ErrConnection, and the caller must read the state again: systemd may have
// done what was asked. A call made while there is no connection waits for one
// until its own context ends. Each new connection makes Wait return all=true.
//
// Units with a file stay in systemd's memory while they are inactive, with the
// result and the invocation of their last run: fleet-units.target, which the
// Manager writes and starts, refers to them all. So asking for their states
// loads nothing, and a run that ends while fleetd is away is seen.
//
// # Bounds
//
// dbus-daemon allows one connection 128 calls without an answer, and systemd
// 512 match rules, one of which it needs for each job to watch the job's
// caller. Breaking the second limit throws systemd itself off the bus. So at
// most 64 calls and 384 jobs are in flight; further ones wait. A job of a
// caller that gave up counts until it is over.
//
// A reload costs systemd about 0.4 ms for each unit in its memory. Between
// reloads, asking for the states of 1,000 units is one call (about
// 15 ms); a unit about which systemd has not signalled since fleetd began costs at most eight small reads besides.
//
// # What it does not promise
//
// It does not serialise the steps of one unit: that is its caller's part.
// A job whose caller stopped waiting goes on. Units that are active only
// because another unit or an administrator started them are reported like any
// other.
package systemd
