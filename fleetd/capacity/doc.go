// Package capacity finds out what a host has, and what of that its machine offers to units.
//
// A Probe reads the host's kernel: physical memory, CPUs, the size of a file
// system, and the limits of the cgroups around the systemd that fleetd drives
// (a container's host has no more than its container). A Policy is what the
// settings say; Policy.Offer is pure and makes a cluster.Capacity of both.
//
// Nothing is remembered or watched here: who wants to notice that memory was
// plugged in or a disk grew probes again, which costs a dozen small reads.
//
// What others use beside fleet is not looked at: what a host needs for itself
// is the policy's reserve, not a measurement.
package capacity
