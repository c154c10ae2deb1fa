package api

import (
	"strings"
	"sync"

	"fleet/cluster"
	"fleet/unit"
)

// Resources are amounts of what machines have and units reserve.
type Resources struct {
	Memory int64            `json:"memory,omitempty"` // bytes
	CPU    int64            `json:"cpu,omitempty"`    // thousandths of a CPU
	Disk   int64            `json:"disk,omitempty"`   // bytes
	Named  map[string]int64 `json:"named,omitempty"`  // whatever an operator counts
}

// fileNeeds keeps what units reserve, so that a list of machines does not read every
// file again. Most files say it without their unit's name, and are read once for all instances.
type fileNeeds struct {
	mu    sync.Mutex
	known map[unit.ContentID]map[unit.Name]unit.Needs // by name only if the file says it with specifiers
}

func (f *fileNeeds) get(id unit.ContentID, file cluster.File, name unit.Name) (unit.Needs, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if needs, ok := f.known[id][""]; ok {
		return needs, nil
	}
	if needs, ok := f.known[id][name]; ok {
		return needs, nil
	}
	rules, err := file.Rules(name)
	if err != nil {
		return unit.Needs{}, err
	}
	if f.known == nil {
		f.known = make(map[unit.ContentID]map[unit.Name]unit.Needs)
	}
	if f.known[id] == nil {
		f.known[id] = make(map[unit.Name]unit.Needs, 1)
	}
	if !byInstance(file) {
		name = ""
	}
	f.known[id][name] = rules.Needs
	return rules.Needs, nil
}

// byInstance tells whether what the unit reserves may depend on its name.
func byInstance(file cluster.File) bool {
	for _, key := range []string{"MemoryReserve", "CPUReserve", "DiskReserve", "Reserve"} {
		for _, value := range file.Values(unit.FleetSection, key) {
			if strings.Contains(value, "%") {
				return true
			}
		}
	}
	return false
}

func (f *fileNeeds) drop(id unit.ContentID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, id)
}

func (f *fileNeeds) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = nil
}

// reserved is what the units that a machine is ordered to have reserve there; nil
// if it is nothing, or cannot be known because a file cannot be read.
func (v view) reserved(id cluster.MachineID) *Resources {
	orders, _ := v.Orders(id)
	machine, _ := v.Machine(id)
	var sum Resources
	something := false
	for name, order := range orders.Units {
		file, ok := v.File(order.Content)
		if !ok {
			return nil
		}
		needs, err := v.needs.get(order.Content, file, name)
		if err != nil {
			return nil
		}
		something = sum.add(needs, machine.Capacity.PhysicalMemory) || something
	}
	if !something {
		return nil
	}
	return &sum
}

// add takes in the needs of one unit on a machine with that much memory, and tells whether there were any.
func (r *Resources) add(n unit.Needs, physicalMemory int64) bool {
	memory := n.Memory
	if memory == 0 {
		memory = share(physicalMemory, n.MemoryShare)
	}
	r.Memory += memory
	r.CPU += n.CPU
	r.Disk += n.Disk
	for name, amount := range n.Named {
		if r.Named == nil {
			r.Named = make(map[string]int64)
		}
		r.Named[name] += amount
	}
	return memory != 0 || n.CPU != 0 || n.Disk != 0 || len(n.Named) > 0
}

// share is that many hundredths of a percent of a whole, rounded up. It does not overflow up to the whole.
func share(whole, parts int64) int64 {
	const all = 10000
	return whole/all*parts + (whole%all*parts+all-1)/all
}
