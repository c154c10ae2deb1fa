// Package etcd is registry.Store on an etcd cluster, version 3.4 or later.
//
// A Client spreads its requests over all endpoints. A request that is not
// answered within the request timeout fails with cluster.ErrUnavailable. All
// watches share one stream, which requires a leader behind it. When the stream has been silent for 3 s, or longer if
// sessions live for more than 10 s, it asks for a sign of life; when none comes each watch continues from where it was,
// over a stream to another endpoint.
// So a member that freezes, which breaks no connection, costs a reader seconds. A reader that is slow holds up no other.
// The endpoints have to be etcd's members: etcd's gRPC proxy numbers the watches of a stream anew.
//
// Lease renewals share one stream, because each new stream of a client with a password costs
// the cluster an authentication.
//
// A Tidier makes room in an etcd that is fleet's own and comes near its quota.
//
// The transport is plain for http:// and verified for https://, against the
// CA file given or else the system's roots; there is no way to skip that. A Client is made by Dial,
// does not need the cluster to be up, and lives until Close. It logs nothing; its errors say what happened.
package etcd
