package capacity

import (
	"errors"
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// Policy is what the settings say of a machine's capacity. The zero value offers what is detected,
// less the default reserves.
type Policy struct {
	MaxUnits int
	Memory   Rule
	CPU      Rule
	Disk     Rule
	Named    map[string]int64
}

// Rule is what is set of one of the host's resources. What is nil is not set.
type Rule struct {
	Capacity *Amount // what there is, in place of what is detected
	Reserve  *Amount // what of it is kept for the host
}

// Amount is so much of a resource: in the resource's unit, or a share of what was detected.
type Amount struct {
	Value int64
	Share int64 // hundredths of a percent; 0: Value counts
}

// Of is the amount where the host has that much.
func (a Amount) Of(detected int64) int64 {
	if a.Share == 0 {
		return a.Value
	}
	return share(detected, a.Share)
}

// share of an amount, without overflow.
func share(amount, hundredths int64) int64 {
	return amount/10000*hundredths + amount%10000*hundredths/10000
}

// ReserveError: more is to be kept for the host than there is.
type ReserveError struct {
	Resource string // unit.Memory, unit.CPU or unit.Disk
	Reserve  int64
	Capacity int64
}

func (e *ReserveError) Error() string {
	return fmt.Sprintf("the reserve of %s, %d, is larger than the capacity, %d", e.Resource, e.Reserve, e.Capacity)
}

// Offer is what a machine on that host offers to units. The error joins a *ReserveError for every resource that has one.
func (p Policy) Offer(h Host) (cluster.Capacity, error) {
	memory, err1 := p.Memory.offer(unit.Memory, h.Memory, memoryReserve)
	cpu, err2 := p.CPU.offer(unit.CPU, h.CPU, cpuReserve)
	disk, err3 := p.Disk.offer(unit.Disk, h.Disk, diskReserve)
	return cluster.Capacity{
		MaxUnits:       p.MaxUnits,
		Resources:      unit.Resources{Memory: memory, CPU: cpu, Disk: disk, Named: p.Named},
		PhysicalMemory: h.Physical,
	}, errors.Join(err1, err2, err3)
}

// offer takes the default reserve off only what was detected: who sets a capacity means what is to be offered.
func (r Rule) offer(resource string, detected int64, fallback func(int64) int64) (int64, error) {
	detected = min(detected, unit.MaxAmount(resource))
	capacity, reserve := detected, fallback(detected)
	if r.Capacity != nil {
		capacity, reserve = r.Capacity.Of(detected), 0
	}
	if r.Reserve != nil {
		reserve = r.Reserve.Of(detected)
	}
	if reserve > capacity {
		return 0, &ReserveError{Resource: resource, Reserve: reserve, Capacity: capacity}
	}
	return capacity - reserve, nil
}

// memoryReserve: a Debian with journald, D-Bus, sshd, fleetd and an etcd member needs about 200 MB, and
// what larger machines need for page tables and caches grows with them, though not for ever. A tiny machine is not given up entirely.
func memoryReserve(detected int64) int64 {
	return min(max(detected/10, 256<<20), 2<<30, detected/2)
}

// cpuReserve is for fleetd and etcd to renew leases in time while units use all of theirs.
func cpuReserve(detected int64) int64 {
	return min(detected/20, 1000)
}

// diskReserve is for the system itself and its journal (which keeps to a tenth, and 4 GB).
func diskReserve(detected int64) int64 {
	return min(detected/10, 20<<30)
}

// Moved tells whether what a host has differs so much from what was said of it that it is
// worth telling: by a hundredth of anything. Balloon drivers move the memory of a guest all the time.
func Moved(said, now cluster.Capacity) bool {
	return apart(said.Memory, now.Memory) || apart(said.CPU, now.CPU) || apart(said.Disk, now.Disk) ||
		apart(said.PhysicalMemory, now.PhysicalMemory)
}

func apart(a, b int64) bool {
	difference := max(a-b, b-a)
	return difference > 0 && difference >= max(a, b)/100
}
