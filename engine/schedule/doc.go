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
// Each unit has a standing on each machine that has to do with it: ordered (it is at home there),
// taking (ordered too, to take it over from its home as soon as it is up there), claimed (the place is
// kept while others make room for it), or lingering (not ordered, but perhaps still there). Everything else is derived from that. Decide works in this order:
//
//  1. Admit: a machine that returned under a new session and has reported gets
//     its first orders, made from what runs there (admit.go). What runs there stays, unless
//     a replacement elsewhere is up; a replacement that is not is taken back in the same transaction.
//  2. Review: placed units whose record, rules, machine or peers changed stay
//     or lose their place (review.go). First those that must go for reasons of their own, then
//     those that must go because of another unit, so that none makes way for nothing.
//  3. Global units are ordered onto every machine that fits and does not have them yet (global.go).
//  4. House: units that want a place get one, or a reason (place.go), and those that are to leave their home another
//     (drain.go, move.go): those of higher priority first, of the same priority those that have none, and of these
//     in the order in which they were requested, newcomers before those they replace.
//  5. Write: what differs is packed into transactions (drafts.go, steps.go). Files that nothing refers to
//     are removed only when there is nothing else to write (files.go).
//
// # How a machine is chosen
//
// choose.go is the order of the questions: the place that is kept for the unit, the machine where it still is, the few
// machines that its rules leave, the best of all that fit at once, one that units are leaving, one whose
// units make way. "Does it fit" is the list in rules.go, and "the best" is, in this order:
//
//  1. no more of its template in the domain than its soft Spread allows, the first Spread before the second;
//  2. the largest sum of weights of what it prefers;
//  3. the fewest of its template in the domain;
//  4. the fullest machine (the emptiest with Strategy=spread, the one with the fewest units for a unit that
//     reserves nothing);
//  5. the smallest machine id.
//
// How full a machine is, is the sum over its resources of the square root of the share that is free (freeOf in
// lanes.go tells why). Where little to do is what counts, a unit whose start has not been reported yet counts as
// four, so that a machine that has come back empty does not receive everything.
//
// No machine is sampled and none is looked at in vain: indexes (package index, lanes.go) find the first in order
// that has room. Machines whose metadata are alike, as far as any unit asks, are one pool (pools.go), so that metadata,
// preferences and spreads are asked once of a pool. Rivals are bits (spots.go).
//
// # How to add a rule
//
// A rule is an entry of the list in rules.go with its two questions, and a scenario in testdata, which is its
// documentation. Placing, keeping, reasons, remedies, explanations and plans follow from the entry. What it reads of
// [X-Fleet] is a key of package unit. If what it depends on changes in other ways than by units coming and going,
// machines changing, or room, then wake.go has to know whom that concerns.
//
// # The rules where they meet
//
//   - Resources: what is held on a machine never exceeds its capacity, in no resource, at no moment: what is ordered
//     there, what is still leaving, and what is about to come. While a unit's content changes the larger of
//     both needs is held. Lowering a capacity moves nothing. A unit whose needs grow stays if there is room for that.
//   - Conflicts: the unit that came first has the place. When two find themselves
//     together, because one was changed, the one with the newer request goes.
//   - Replaces: a newcomer prefers a machine with a unit that it replaces and that was requested earlier. That unit
//     is taken off, the place is claimed, and the newcomer gets it when it is free.
//     Later it takes places from others only if there is nowhere else to go, and only ever
//     from units requested earlier than itself. That is why replacing ends.
//   - MachineOf (group.go): units without a machine that it ties to each other, in either direction, are one group:
//     they are placed on one machine or not at all. Units that ran before do not stay down for those that
//     never had a place, nor anybody for a follower that could not be with its peers on any machine however empty.
//     Who is placed stays; who follows leaves with its peer.
//   - Priority (displace.go): a unit that fits nowhere, now or when others have stopped, takes the place of units of
//     lower priority: on the machine where they are the fewest, and of these the lowest, compared from the
//     highest down. Up to two that is exact, and three where no more than manyBundles could make way; of more, few are
//     taken, none of whom could be spared. A group has the priority of its lowest member, and who follows a victim is one too. What was displaced is housed like any other unit.
//   - Spread counts the instances of a template that are ordered or have a claim, one that is handed over where it goes. A required one is a rule, over all domains that the
//     unit's metadata allow, cordoned ones too, when the unit is placed: others that leave later do not move it.
//   - Leaving (drain.go): a machine that is drained, or whose host is shut down, is given nothing, and its units go elsewhere
//     with all that are tied to them there; global ones belong to it and stay. What finds no place stays and
//     runs, and has a reason. To find one a unit may displace others, as it would if its machine were lost. What is just
//     starting, or a job that is under way, is waited for.
//   - Handing over (handover.go): who leaves starts there first and is at home here until it is up there; both copies are
//     held, and the order there says from whom it takes over. Then all of a group leave together. A copy that
//     fails there, or ends, is called off and recorded like a failure: every machine is tried before one is tried
//     again. With AtMostOnce or HandOver=stop-first a unit stops here first, its place there kept for it, and of
//     the instances of a template no more are down by that than MaxUnavailable allows (unavailable.go).
//   - A requested move (move.go) is a hand-over too, carried out if the rules allow it at once, and otherwise
//     refused; the order says so either way. It is refused as well if the unit fails there.
//   - Reschedule (failing.go, story.go): a unit that a machine reports as failed, after all that was asked of it
//     was carried out there, is taken off and recorded as failed in one transaction: it is counted once, whoever
//     leads. It is tried again after a pause that doubles, on a machine where it has not failed or
//     else where that is the longest ago; after cluster.MaxTries failures it is parked until somebody asks for it.
//     While it waits it belongs to no group: its followers wait for it, its peers do not. Again tells when
//     Decide has something to do for it.
//
// # Questions
//
// Advisor answers what would happen and why (advise.go, plan.go, rebalance.go), with a State of its own over a
// snapshot, by the same rules and in the same words.
//
// # What it costs
//
// A change concerns the units that it names, their peers, followers and rivals, and one
// machine. A search costs about as much among a hundred thousand machines as among a thousand. A unit that is pending
// costs nothing until there is room for it somewhere, a rival leaves, or a machine changes that has as much room. Up to
// fewUnplaced of them are looked at whenever a machine changes, so that their reasons are true; if there are more, the
// numbers in a reason are of when the unit was last looked at. To explain why a unit is nowhere takes a look
// at every machine; units that are alike share it. To displace others takes a look at every machine, too.
// docs/benchmarks.md has the figures.
//
// # What it guarantees
//
//   - Every order satisfies every rule, at every decision.
//   - A unit that is not global is newly ordered onto a machine only if it is gone from all
//     other machines that are present: not in their orders, not in their reports, and
//     its absence confirmed; but for its home, if it is handed over from there. Units in conflict do not meet on a machine while one is still stopping.
//   - A unit that fits somewhere is placed. One that satisfies its rules is not touched, except by Replaces,
//     by a higher priority, by a request to move it, and by a drain of its machine.
//   - A unit that is handed over is not taken off its home before it is up elsewhere. One with AtMostOnce has one order at most.
//   - Once a decision is carried out there is nothing left to decide, for a successor neither.
//   - The orders of lost machines are never written. Whatever an unreadable
//     record is about stays as it is.
//   - No transaction has more than cluster.MaxDecision records.
//
// # What it does not promise
//
//   - A machine that was lost may still run what was placed elsewhere meanwhile, unless that says AtMostOnce: then its
//     fence has ended it.
//   - A unit that has lost its place for reasons of its own, on a machine that it had after the lost one, may be made to wait for
//     the lost one by a new leader, who does not know of the other.
//   - When more than cluster.MaxDecision-1 replacements are taken back by one machine, only the first
//     of them leave their machines in the transaction in which it gets its orders.
//   - It moves nothing for the sake of balance, unless it is asked to.
//   - What a unit takes of a machine is known from its file. Of a file that is damaged it is what was known last, and to
//     a new leader nothing.
//   - That some of a group had run before is known from the orders of lost machines only as long as these last.
//   - A unit that has to stop where it was, because it was displaced or its rules changed, has no claim on the place that it
//     goes to: in the moments until it has stopped a less urgent unit may take that place.
//   - A global unit displaces nothing.
//   - maxRounds bounds a decision, should units ever drive each other in a circle.
//
// # Losses
//
// Who is silent, lost or has left, and since when, is recorded (absence.go), and that record is the memory across
// leaders. The units of a lost machine are housed like any others, unless they wait for it (loss.go): because they
// say OnLost=wait or ReplaceAfter=, and because of two brakes:
//
//   - patience (patience.go): after an outage that all machines shared, the first to return would see all others as
//     lost. A leader whose own machine is only just back, or has only just heard from the store again, calls Wait.
//   - the limit on losses (brake.go): more than so many at once are held, and an alarm says so. Whether others are
//     about to be lost is asked for by Doubts and answered by Suspect, before Decide.
//
// What waits is of no group: its followers wait for it, its peers do not.
//
// Units with AtMostOnce=yes have a number in their orders which only grows, and need a fence (fence.go). One that comes to say so
// leaves all machines first, if it may be on more than one, and waits for lost ones that may run it without a fence (unbound.go). What
// machines may have although they are not ordered to is in their orders (Left), for successors and for when they are lost.
package schedule
