// Package api is both ends of fleet's wire: the HTTP handler that every fleetd
// serves, the client that fleetctl and third parties use, and the JSON between
// them. It is fleet 1's v1 API with additions; docs/api.md has every call and
// the places where v1 was wrong.
//
// # Server
//
// Run follows the store and keeps a cache of the whole cluster; reads are
// answered from it alone. Writes go to the store, each as one
// compare-and-write of one record, and the answer waits until the cache shows
// the write, so that whoever wrote reads it back from the same server. Another
// server may show it a moment later.
//
// The server writes units, the settings of machines, and that alarms were
// acknowledged, nothing else. That a machine is to be drained, rebooted or
// forgotten is a setting: others do that, and how far a drain has come is computed
// from the records by whoever looks. It
// decides nothing about placement. The systemd of its machine it knows through Local, which reads
// journals and asks for statuses; for those of other machines it asks their fleetds, which answer
// from themselves alone: no request goes through more than two. What it shows of a unit is
// cluster.Snapshot.Status, turned into JSON. Why a unit is where it is, and what would happen
// if, it asks an Advisor: the engine's rules over a copy of the cache, of which nothing is stored.
//
// # Lifecycle
//
// New, then Run in a goroutine of the caller, with Handler on as many
// listeners as wanted. Until Run has read the cluster, while Options.Ready
// says no, and after Run has returned every path answers 503. When Run
// returns it ends all event streams, so that http.Server.Shutdown need not wait for them.
//
// In a cluster of more machines than Options.Follow says, Run follows the store only while somebody needs the cache (following.go). A
// request that does waits until there is one, and keeps it to its end; ten minutes after the last of them it is dropped. The next
// begins as that of a new server: nothing of what a client has from before is taken for what is known now. A request
// that is answered without the cache says so in needsCluster; everything else may read it without asking.
//
// # Event streams
//
// A stream tells states, not happenings: for every unit the newest state
// reaches every reader, and what lay between may be left out. Streams hold up
// neither the cache nor each other, however slow their readers.
//
// The revision of an event is one up to which everything has been told, so that a stream can be resumed behind it on
// any server: a changelog has the names that changed since then, or it does not reach back so far, and the stream begins anew.
//
// With absent=true lists and streams have machines, too, that are not present and still known: those that
// are not asked for so are v1's, whose clients take every machine for one that is there.
//
// # History
//
// What has happened is derived: unitHappened and machineHappened compare what was with what is. Every
// server remembers what it has seen itself, up to a bound, and nothing of that is stored. What came and went between
// two records was not seen.
//
// # A new call
//
// It is a line in routes (route.go), a path in openapi.json, and a line with curl in docs/api.md.
// Tests demand all three: every request and answer of every test in this package is held to openapi.json,
// unknown fields and parameters included, and what that promises has to be seen in a test. Its schemas are the structs here
// that have JSON tags, with their comments; after a change of those:
//
//	go test ./api -run TestOpenAPISchemas -rewrite
//
// # Lists
//
// All pages of a list are of the revision of the first. The cache is never copied for that: while a list is being read,
// what updates replace is kept aside (past), as much and as long as the bounds in pasts.go say. A reader who is
// slower goes on behind the last item that he has, at the newest revision. Lists are made some hundred items at a time,
// so that updates need not wait for them.
//
// # Bounds
//
// Requests that change something wait for the store, in the order in which they came, for as long as they may take; the store
// is asked for so many at a time, and as many as Limits.Writes are let in (pressure.go). Everything that is kept for others has a bound:
// Load tells how full each is.
//
// # What it does not do
//
// Listeners, TLS and the timeouts of connections are the caller's; Limits are what one request and one client may
// take. There is no authentication: whoever reaches the handler is root on the cluster.
package api
