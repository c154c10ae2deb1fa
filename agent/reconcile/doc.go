// Package reconcile is the brain of the agent: it compares the orders of one
// machine with what is there, and says what to do next. Plan takes values and
// returns values; it does no I/O, reads no clock and keeps nothing.
//
// It is a state machine that moves each unit by at most one step per call.
// Whoever calls it takes the step, reads the unit's state again, lets Finish
// fold both into the unit's Memory, and calls Plan once more. A unit whose
// step has not ended is busy and is left alone; units do not wait for each other.
//
// # The machine
//
// For a unit in orders of the present session. "Running" is every active state
// but inactive and failed (so reloading and activating, auto-restart included,
// are running). A unit that does not run but has a job waiting counts as
// running in the rows marked *, because the job may begin at any time. "In
// place" means that the ordered file is on disk and systemd has read and
// accepted it. The first row that fits decides.
//
//	running   from content   in place   desired    asked for             then
//	yes *     another        -          -          -                     Stop, the old file in place
//	-         -              no         -          -                     Load (what runs is not disturbed)
//	-         -              yes        -          nothing new           nothing: left as systemd left it
//	yes *     the ordered    yes        loaded     new generation        Stop; its success settles it
//	no        -              yes        loaded     new generation        settled
//	leaving   the ordered    yes        launched   -                     wait until it is gone, or is back
//	-         the ordered    yes        launched   a job is under way    wait for its end
//	no        -              yes        launched   generation, restart   Start
//	yes       the ordered    yes        launched   new restart           Restart
//	yes       the ordered    yes        launched   new generation        settled: adopted as it runs
//
// A unit that is bound to the machine's fence (Order.Fence) needs a permit, which the
// fence takes back when it ends:
//
//	fence that guards the session   permit of it   unit                  then
//	there                           no             in place              Grant, before anything else of the last eight rows
//	none                            -              has to be started     wait for one; the report says so
//	another than it ran under       yes            does not run          Start, although nothing is new: its fence has ended it
//
// One that ended while its fence was there ended of itself, and is not started again for that.
//
// For a unit that orders of the present session do not name:
//
//	running   file or memory of a load   then
//	yes *     yes                        Stop
//	no        file                       Unload
//	no        memory only                forgotten
//	-         neither                    nothing: it is the host's own
//
// A unit that leaves has carried out nothing any more: if it is ordered anew before it is
// gone, even by the generation that it had, it is started when it has stopped.
//
// For any unit while there are no orders for the present session: nothing.
//
// "New" compares the order's Generation and Restart with those in Memory. A
// unit whose start was never decided here according to Memory (it was lost) and
// that runs from the ordered file is adopted for both: missing memory never restarts anything.
// Memory of a generation later than the one that is ordered is none: the store was
// restored to an earlier state, in which that generation has not been.
//
// # Failure
//
// A step that could not be taken is tried again with growing pauses, at once if
// the order changes. A job that systemd carried out with another result than
// "done" is no such failure: the unit failed, the order was carried out. A
// failed Stop after which the unit still runs is the exception, because the
// next step needs it gone.
//
// # Interruption
//
// A start job may last as long as its unit likes. When the orders no longer
// want it, Plan says to stop waiting for it; the next step's job replaces it.
//
// # Crashes
//
// Memory with its Intent is kept safe before a start or restart is queued. If
// the job's end is not seen, a new InvocationID tells afterwards that it was
// carried out. A unit that was started and has gone again without a trace
// (systemd forgets units that nobody refers to) is started again.
package reconcile
