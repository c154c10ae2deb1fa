// Command fleetd is the daemon that every machine of a fleet cluster runs.
//
// It holds four roles and wires them; none of them knows another:
//
//   - the store: a client of etcd, and an etcd member inside this process when
//     no etcd_servers are set;
//   - the agent, which drives the local systemd, for as long as the process lives;
//   - the session: this machine's presence in the cluster. Within it the agent
//     is served orders, and the machine stands for election as engine;
//   - the API, on a unix socket and, if set, on TCP. Profiles of the process
//     (net/http/pprof) are on the unix socket alone.
//
// Stopping fleetd stops none of the units it has started, and does not give up
// the session: a fleetd that is back before the lease has ended goes on as if
// nothing had happened.
//
// # The fence
//
// "fleetd fence" is another process, run by fleet-fence.service: it keeps the
// machine's lease alive while fleetd is away, and ends units that must not run
// twice when nobody can (package fence). FLEET_FENCE_UNCHECKED=1 in its environment takes its
// guarantees away, for tests that show what they are worth.
//
// # Settings
//
// Every setting has one name. It is read from the configuration file
// (key = value), then from the environment (FLEET_KEY), then from the command
// line (--key, with dashes); the last one wins. A setting that is unknown or
// cannot be read is an error at start. See table.go for all of them.
//
// SIGHUP has them read again. Those in table.go's atRunTime take effect; if any
// setting is wrong, none does.
package main
