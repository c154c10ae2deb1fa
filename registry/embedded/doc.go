// Package embedded runs a member of an etcd cluster inside the process, for
// a fleet that was given no etcd of its own.
//
// A Server is one run of a member. A Member is this machine's place among the members, over many of them: it finds out how
// to begin, and begins anew in the same process when it is recovered, restored, removed or replaced.
//
// # How a member begins
//
// With data of its own it continues where it was, and the settings of the initial cluster are ignored. Without, it asks the
// members that the initial cluster names what they know. Nobody answers: it makes the first cluster with them. They expect it, because it was
// added: it joins, learns what they have without counting, and then counts. They do not, or they know it as one that had data:
// it waits until it is added, or replaced; a process that has no member that serves uses the others (Config.Endpoints).
//
// A member that the others have removed is told so by them. It puts its data aside, for good, and waits as one without.
//
// # Recovery
//
// Recover makes a member with all that it has the only one of its cluster; Restore makes it one with what a snapshot has. Both
// let the revision leap, and count all before it as compacted, so that nothing that is derived from it goes backwards and watches begin anew. What is
// to be done is written down first: a process that ends in the middle goes on with it. Leases outlive a recovery, and none a restore.
//
// # Times
//
// A cluster that loses the host of its leader must notice both losses, that
// of the host by its lease. A new leader starts the clock of every lease
// anew, so the lease ends later, by as much as LeaseSlack. To keep that small
// the members send heartbeats every 50 ms and start an election after 500 ms, which suits a local network but not a continent.
//
// # What it does not do
//
// It does not look after the room in its database: etcd.Tidier does, as a client. It encrypts and authenticates only when given certificates. When etcd
// finds its own data damaged, it ends the process. It cannot tell a first cluster from one whose members are all out of reach: a member that
// begins without data and without an answer joins nothing, and finds out when they are back.
package embedded
