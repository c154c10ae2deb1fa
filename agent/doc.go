// Package agent carries out one machine's orders: it drives the local systemd
// and reports what systemd says. What to do next with which unit is decided by
// agent/reconcile; this package is the shell around it.
//
// # Who writes what
//
// Several goroutines share the board, under one lock that nobody holds while
// waiting for anything. Each part of it has one writer:
//
//	listen   systemd rings      -> which states to read
//	read     systemd's answers  -> files, states, ends of steps
//	read     the fence          -> guard, in the same moment as states
//	loop     reconcile.Plan     -> memory, steps under way, views for the report
//	Serve    the session        -> session, orders
//	lift     batches of files   -> (nothing: their ends go through read)
//	remember memory             -> the state file
//	report   views              -> the session
//
// One goroutine reads all states, so what it writes is never older than what
// is there; a step counts only after a reading that began when the step had ended.
//
// # Lifecycle
//
// Run drives systemd for as long as fleetd lives, across sessions. It first
// looks at what is there. Serve lasts as long as one session: it reports, and
// then takes orders. While no session is served nothing is begun. When Serve
// ends its orders are void: jobs that systemd has begun come to their end,
// nothing follows, and units are kept as they are. While the store is merely
// out of reach the session goes on, and so do the orders that were taken.
//
// Stopping Run touches no unit. The next agent finds what runs and, in the
// state file, what was carried out; without the file it adopts what runs.
//
// # The fence
//
// Units that must not run twice are bound to the host's fence, a service of its
// own. The agent starts it while it serves a session, and never stops it. Such units are started
// only while it guards the session that is being served, with a permit; those that
// it has ended are started again under the next one. What guards them is told to
// Options.Guarded: a machine without a fence is given none.
//
// # Costs
//
// A change of one unit reads one unit's state and plans one unit. Files are
// fetched in parallel, those with the same content once, and put in place in
// batches with one reload each; after one that came right after another, systemd
// has as long for the units before the next. The start of a timer, a path or a socket waits for the load
// of what it triggers, if that is under way. Jobs have no bound: waiting for one costs a
// goroutine. The report is composed from views that are kept up to date; it is
// written at once when it differs, then with at least 50 ms between two, and a
// quarter of a millisecond for each unit in it. What only steps under way have changed
// waits for them to end, for 100 ms at most, so that a start or stop takes one report.
// Failures are logged when they begin, change and end, not at each attempt.
//
// # What it does not promise
//
// A call that systemd never answers keeps its unit busy until the orders for
// that unit change or the session ends; other units are not concerned, except
// that a load that hangs holds up the loads behind it for two minutes. A unit
// that somebody else starts or stops is reported, not corrected: the same
// generation is carried out once. A failed unit's log is read for two seconds
// at most; a report of more than a mebibyte does without some logs, and with shorter errors.
package agent
