// Package embedded runs a member of an etcd cluster inside the process, for
// a fleet that was given no etcd of its own.
//
// Start returns when the member serves, which for one of several members is when
// enough of the others are there. The data directory decides whether the
// member joins a new cluster: if it holds a member's data the member continues
// where it was, and the settings of the initial cluster are ignored.
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
// It does not change the membership of a cluster, defragment, or make
// backups; etcdctl does, against Endpoints. It encrypts and authenticates only when given certificates. When etcd
// finds its own data damaged, it ends the process.
package embedded
