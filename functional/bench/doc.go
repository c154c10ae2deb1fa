// Command bench is what scripts/bench runs: it measures fleet and prints one table.
//
// Each sub-command is one bench (benches.go lists them): a function that returns
// rows. What a row is, how it is compared with its reach and how it is printed is the same for all
// of them, so a new bench is one file with one function, and one line in the list.
//
//	row.go       what was measured, and what is to be reached
//	gobench.go   rows from the benchmarks of a Go package, medians of several runs
//	schedule.go  the bench of engine/schedule
//	hosts.go     what the benches on real hosts have in common;  usage.go  processors and memory
//	start.go     from a request to the process;  bulk.go  thousands of them
//	idle.go      nothing happens;  agent.go  one fleetd with many units
//	failover.go  machines that fail
//	scale.go     large clusters of hollow machines;  profile.go  profiles of them
//	api.go       one server of the API
//	store.go     what is written to etcd
//	all.go       every bench, into the handbook
//	compare.go   two results side by side
//	table.go     text;  machine.go  where it was measured
//
// Exit codes: 0, 1 when something could not be measured, 2 for a command line that
// makes no sense, 130 when interrupted. A reach that is missed is a result, not a failure.
//
// It measures what it is told to and judges nothing else: it does not make sure that the
// machine is otherwise idle.
package main
