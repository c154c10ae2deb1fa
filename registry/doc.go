// Package registry keeps the records of package cluster in etcd: their keys,
// their encoding, a reader's stream of updates, and the roles a machine takes on, its
// session and the engine's term.
//
// # Keys
//
// Under the prefix ("/fleet/" by default):
//
//	units/<name>      API     JSON            what a user wants of a unit
//	files/<sha256>    API     the bytes       a unit file; immutable
//	settings/<id>     API     JSON            what an operator lays over a machine's record
//	acks/<name>       API     JSON            an alarm that an operator has acknowledged; removed with the alarm
//	machines/<id>     agent   JSON, session   a machine that is present
//	reports/<id>      agent   JSON, session   what that machine's systemd says
//	agents/<id>       agent   JSON, agent     that a fleetd serves the machine
//	orders/<id>       engine  JSON            what that machine has to run
//	pending/<name>    engine  JSON            why a unit has no machine
//	failures/<name>   engine  JSON            where a unit failed that is tried on other machines
//	absences/<id>     engine  JSON            a machine that is silent or gone, since when
//	alarms/<name>     engine  JSON            what the engine needs people for
//	engine/<lease>    engine  id, agent       candidates to lead; the one created first does
//	epoch/current     any     JSON            how often the store was restored; by whoever finds that out
//
// A machine has two leases. The session's is renewed by its fleetd and by its fence, and lives as long as either
// does. The agent's is fleetd's own: it ends at once when fleetd is stopped, and by itself when fleetd is killed and not back in time.
//
// Keys of other families are left alone.
//
// # Encoding
//
// JSON objects with a version of the format ("v"). Orders and reports, which are most of what is read, have a reader and a
// writer of their own (scan.go, append.go), which make of them what encoding/json does. Times are RFC 3339 with
// nanoseconds. A record of a later version, or one that is not what it should
// be, is reported as cluster.Corrupted and harms no other; a machine writes its
// own anew. Fields that this
// version does not know survive in units and settings, which are read, modified and written.
//
// # Roles
//
// Join and Lead call a function and return when it has returned. The context
// it is given ends with the role, and its cause says why. What a role writes is
// fenced by comparisons in the store: a report by the creation of the
// machine's record, a decision by the last put of the engine's key and by there being no candidate that came before. So a
// machine or an engine that has slept through the end of its role writes nothing, and at most one engine can write in
// any state of the store, also in one that was restored from a backup.
//
// # A store that is restored
//
// A Registry notices when its store goes back to an older state: an answer's revision is lower than one seen
// before, or the epoch's record has another number. Members look for that whenever they renew; Options.History has it
// noticed across restarts. Whoever finds out first begins a new epoch (cluster.Epoch): generations and fencing
// numbers go on above all that there were, every session of the restored history is ended, readers are told everything
// anew with a Reset. No answer of the restored store reaches a role that began before, so no agent obeys orders from the
// backup, and no unit stops because of them.
//
// # What it does not promise
//
// A restoration is not noticed by a process that has seen nothing before it, and hardly by one that
// has been told of no more than a revision or two that were lost. What was submitted since the backup is lost.
//
// A write that fails with cluster.ErrUnavailable may have taken place. Updates
// may be delivered late, by any amount of time. Some time passes between the end of a role in
// the store and the end of its context; only writes are fenced, other effects are not.
package registry
