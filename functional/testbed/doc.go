// Package testbed makes real systemd hosts on one Linux machine: for people
// who want to play with fleet (scripts/cluster) and for the tests in
// functional/.
//
// A host is a systemd-nspawn container whose PID 1 is Debian's own systemd,
// with its own D-Bus, journal, network namespace and address. A Cluster is a
// bridge, a /24 of its own, some hosts and, if asked for, separate etcd
// processes. Several clusters live side by side; each has a name.
//
// # Where things are
//
//	/var/cache/fleet-testbed/rootfs-KEY    the one tree under all hosts, made once
//	/var/lib/fleet-testbed/NAME/           cluster.json, and per host and etcd
//	                                       process its disk and its console log
//	CGROUP2/fleet-testbed/NAME/hI, eI      every process of host or etcd I
//	/run/netns/fltS-hI, bridge fltS        the network; S is the cluster's slot
//
// # Who writes what
//
// The processes and mounts of a host are found by asking the kernel, never by
// remembered process ids: a host is alive when its cgroup is populated. The
// state file holds only what was asked for, is written before the first thing
// is created and removed after the last thing is gone. That is what makes every
// step safe to interrupt and to repeat.
//
// Each host has a cgroup of its own because systemd-nspawn --keep-unit puts its
// payload below the cgroup it is started in: two hosts started from one shell
// would have two PID 1s manage one tree.
//
// # Lifecycle
//
// Up creates or completes a cluster, Open finds one that another process made,
// Down removes everything, whatever state it is in. A host keeps its disk over
// Kill (power loss) and Boot; /run and /tmp are fresh after every boot.
// Operations on one host wait for each other, also across processes.
//
// # What it does not promise
//
// The hosts share one kernel: one clock, one page cache (what a host wrote
// without fsync survives its Kill), no limits from cgroup controllers, no kernel
// modules of their own. Isolation is for tests, not against hostile code.
package testbed
