// Command cluster is what scripts/cluster runs: systemd hosts with fleet on them,
// to play with and to test on. Every verb is one call of package testbed; the
// command keeps nothing between two runs, the kernel and the testbed's state file
// do.
//
// Exit codes: 0, 1 for what failed, 2 for a command line that makes no sense, 130
// when interrupted; exec and fleetctl pass on those of their command.
package main
