// Package schedule is the engine's brain: it is fed facts and returns
// decisions. It does no I/O, reads no clock, logs nothing and uses no
// randomness; the same facts give the same decisions, in whatever order maps are walked.
//
// # How to use it
//
// A State belongs to one term of one leader. Apply takes in what the store
// says, Decide returns the transactions that have to be written now, and Committed
// records that one of them was. All steps of a decision have to be committed, in
// order, before the next Apply. After a write that failed the State is of no use: a
// new one starts from the store's snapshot and takes the orders there as the truth.
// A State's own writes come back through the watch and are recognised by their revision.
//
// # What is decided
//
// Each unit has a standing on each machine that has to do with it: ordered,
// claimed (the place is kept while others make room for it), or lingering (not
// ordered, but perhaps still there). Everything else is derived from that. Decide works in this order:
//
//  1. Admit: a machine that returned under a new session and has reported gets
//     its first orders, made from what runs there (admit.go). What runs there stays, unless
//     a replacement elsewhere is up; a replacement that is not is taken back in the same transaction.
//  2. Review: placed units whose record, rules, machine or peers changed stay
//     or lose their place (review.go). First those that must go for reasons of their own, then
//     those that must go because of another unit, so that none makes way for nothing.
//  3. Global units are ordered onto every machine that fits and does not have them yet (global.go).
//  4. House: units that want a place get one, or a reason (place.go, choose.go), in the order in
//     which they were requested; peers before their followers, newcomers before those they replace.
//  5. Write: what differs is packed into transactions (steps.go). Files that nothing refers to
//     are removed only when there is nothing else to write (files.go).
//
// A new rule goes into the list in rules.go, with a script in testdata; which
// of the machines that fit is taken is choose in choose.go. The scripts are the
// documentation of every rule.
//
// # The rules where they meet
//
//   - Conflicts: the unit that came first has the place. When two find themselves
//     together, because one was changed, the one with the newer request goes.
//   - Replaces: a newcomer prefers a machine with a unit that it replaces and that was requested earlier. That unit
//     is taken off, the place is claimed, and the newcomer gets it when it is free.
//     Later it takes places from others only if there is nowhere else to go, and only ever
//     from units requested earlier than itself. That is why replacing ends.
//   - MachineOf: the units of a cycle are one group, placed on one machine or not at
//     all. Other followers come after their peers, and leave with them.
//   - MaxUnits limits what is placed. Lowering it moves nothing.
//   - Reschedule (failing.go, story.go): a unit that a machine reports as failed, after all that was asked of it
//     was carried out there, is taken off and recorded as failed in one transaction: it is counted once, whoever
//     leads. It is tried again after a pause that doubles, on a machine where it has not failed or
//     else where that is the longest ago; after cluster.MaxTries failures it is parked until somebody asks for it.
//     While it waits it belongs to no group: its followers wait for it, its peers do not. Again tells when
//     Decide has something to do for it.
//
// # What it costs
//
// A change concerns the units that it names, their peers, followers and rivals, and one
// machine. A unit without rules finds its machine without a search; one with rules looks at
// every machine once. Conflicts are counted by glob and machine, not by unit. A
// unit that is pending costs nothing until a machine comes, changes or goes, or until a unit
// that was in its way leaves; the counts in its reason are as of that moment.
//
// # What it guarantees
//
//   - Every order satisfies every rule, at every decision.
//   - A unit that is not global is newly ordered onto a machine only if it is gone from all
//     other machines that are present: not in their orders, not in their reports, and
//     its absence confirmed. Units in conflict do not meet on a machine while one is still stopping.
//   - A unit that fits somewhere is placed. One that satisfies its rules is not touched, except by Replaces.
//   - Once a decision is carried out there is nothing left to decide, for a successor neither.
//   - The orders of lost machines are never written. Whatever an unreadable
//     record is about stays as it is.
//   - No transaction has more than cluster.MaxDecision records.
//
// # What it does not promise
//
//   - A machine that was lost may still run what was placed elsewhere meanwhile; preventing that is a matter of fencing.
//   - If a unit is stopped and started again while the leader changes and its machine
//     has not confirmed the stop, the successor does not know that it may still be there.
//   - The claim of a unit that replaces another is forgotten with the leader. If
//     several units have to make way, the successor may choose another machine for it.
//   - When more than cluster.MaxDecision-1 replacements are taken back by one machine, only the first
//     of them leave their machines in the transaction in which it gets its orders.
//   - It moves nothing for the sake of balance.
//   - Random histories with many relations between few units have, about once in ten thousand, a unit that
//     leaves its machine although it could have stayed, or a successor that decides
//     otherwise; one in some hundred thousand did not come to an end. maxRounds bounds what that costs.
//
// # Brakes
//
// After an outage that all machines shared, the first to return would see all others as
// lost. A leader whose own machine is only just back calls Wait, and until then the units of lost
// machines wait for these (patience.go).
//
// A limit on how much may be lost at once has its place in refreshMachine (refresh.go): the
// machine is then held as one whose record cannot be read, which is neither lost nor given anything.
package schedule
