// Package etcd is registry.Store on an etcd cluster, version 3.4 or later.
//
// A Client spreads its requests over all endpoints. A request that is not
// answered within the request timeout fails with cluster.ErrUnavailable. A
// watch has a stream of its own and must have a leader behind it; when it has been silent it asks for a
// sign of life, and when there is none it goes on at another endpoint from where it
// was. So the freezing of a member, which breaks no connection, costs a reader seconds.
//
// Lease renewals share one stream, because each new stream of a client with a password costs
// the cluster an authentication.
//
// The transport is plain for http:// and verified for https://, against the
// CA file given or else the system's roots; there is no way to skip that. A Client is made by Dial,
// does not need the cluster to be up, and lives until Close. It says nothing in the logs by itself: its errors do.
package etcd
