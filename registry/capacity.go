package registry

import (
	"fmt"
	"maps"
	"slices"

	"fleet/cluster"
	"fleet/unit"
)

// resourcesRecord is what a machine offers beside its MaxUnits, which has had its own field from the first.
type resourcesRecord struct {
	Memory         int64            `json:"memory,omitempty"`
	CPU            int64            `json:"cpu,omitempty"`
	Disk           int64            `json:"disk,omitempty"`
	Named          map[string]int64 `json:"named,omitempty"`
	PhysicalMemory int64            `json:"physicalMemory,omitempty"`
}

func resourcesOf(c cluster.Capacity) *resourcesRecord {
	r := &resourcesRecord{Memory: c.Memory, CPU: c.CPU, Disk: c.Disk, Named: c.Named, PhysicalMemory: c.PhysicalMemory}
	if r.Memory == 0 && r.CPU == 0 && r.Disk == 0 && len(r.Named) == 0 && r.PhysicalMemory == 0 {
		return nil
	}
	return r
}

// capacity is of a machine that says nothing of its resources if r is nil.
func (r *resourcesRecord) capacity(maxUnits int) cluster.Capacity {
	if r == nil {
		return cluster.Capacity{MaxUnits: maxUnits}
	}
	return cluster.Capacity{
		MaxUnits:       maxUnits,
		Resources:      unit.Resources{Memory: r.Memory, CPU: r.CPU, Disk: r.Disk, Named: r.Named},
		PhysicalMemory: r.PhysicalMemory,
	}
}

// checkCapacity refuses amounts below nothing, both where they are written and where they are read:
// what is free is counted in the same numbers, and would run over.
func checkCapacity(c cluster.Capacity) error {
	amounts := map[string]int64{
		unit.Memory: c.Memory, unit.CPU: c.CPU, unit.Disk: c.Disk, unit.Slots: int64(c.MaxUnits), "physical memory": c.PhysicalMemory,
	}
	if err := checkAmounts(amounts); err != nil {
		return err
	}
	return checkAmounts(c.Named)
}

func checkAmounts(amounts map[string]int64) error {
	for _, name := range slices.Sorted(maps.Keys(amounts)) {
		if amounts[name] < 0 {
			return fmt.Errorf("impossible capacity: %d of %s", amounts[name], name)
		}
	}
	return nil
}
