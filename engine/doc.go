// Package engine is the leader's loop: it feeds what the store says to the
// brain in engine/schedule and writes what that decides. It decides nothing itself.
//
// # Lifecycle
//
// Run is one term of one leader. It starts from the store's whole snapshot,
// with nothing carried over from earlier terms, and ends when its context ends or a
// write fails. Every write is fenced by the term, so an engine that was deposed without
// knowing it changes nothing. After a failed write it is unknown whether it took place; that is
// why the term ends there and the next one begins from what the store says.
//
// # What is written
//
// Orders, pending reasons, absences of machines, alarms, and the removal of unit files that nothing refers to and of
// machines that are to be forgotten. While the cluster is as it should be an engine writes nothing, and decides nothing.
//
// # Room in the store
//
// Every minute an engine asks how full the store is (Options.Space), a read; the brain raises alarms from that. What a full store refuses
// was not written, so the term goes on, and tries that again every 5 s until there is room.
//
// # Bounds
//
// No more than MailboxLimit updates wait while a decision is being written. Then the watch is held up, and further ones stay in the store.
//
// # Losses
//
// Before the brain may conclude anything from the loss of a machine, the store is asked which of the others have not renewed
// their leases (losses.go). That takes one round of questions at the first loss, and one a second as long as
// the answer holds something back.
//
// # What it does not promise
//
// An engine that is slow, or absent for a while, delays decisions. It never
// makes a running unit stop: machines carry on with the orders they have.
package engine
