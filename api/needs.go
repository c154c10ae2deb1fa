package api

import (
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
// file again. Most files are read once for all of their units.
type fileNeeds struct {
	mu    sync.Mutex
	known map[unit.ContentID]map[sharer]unit.Needs
}

// sharer is one unit, or if its name is empty all units of a type that have the same file.
type sharer struct {
	name unit.Name
	kind unit.Type
}

func (f *fileNeeds) get(id unit.ContentID, file cluster.File, name unit.Name) (unit.Needs, error) {
	who := sharer{kind: name.Type()}
	if !file.SharedRules() {
		who.name = name
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if needs, ok := f.known[id][who]; ok {
		return needs, nil
	}
	rules, err := file.Rules(name)
	if err != nil {
		return unit.Needs{}, err
	}
	if f.known == nil {
		f.known = make(map[unit.ContentID]map[sharer]unit.Needs)
	}
	if f.known[id] == nil {
		f.known[id] = make(map[sharer]unit.Needs, 1)
	}
	f.known[id][who] = rules.Needs
	return rules.Needs, nil
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

// needed is what a unit with that file reserves, unless the file is not there or cannot be read.
func (v view) needed(id unit.ContentID, name unit.Name) (needs unit.Needs, known bool) {
	file, there := v.File(id)
	if !there {
		return unit.Needs{}, false
	}
	if v.past.replaced(id) { // nobody would forget it
		rules, err := file.Rules(name)
		return rules.Needs, err == nil
	}
	needs, err := v.needs.get(id, file, name)
	return needs, err == nil
}

// reservations keeps what is reserved on machines now, which is the same for all who are told of them. There is
// nothing of a machine with a unit whose file is not known.
type reservations struct{ known sync.Map } // *Resources by cluster.MachineID

// drop forgets what u may have changed. Files are named after what is in them, so that only one that is lost counts.
func (r *reservations) drop(u cluster.Update) {
	if u.Reset {
		r.known.Clear()
	}
	for _, change := range u.Changes {
		switch change := change.(type) {
		case cluster.OrdersChanged:
			r.known.Delete(change.ID)
		case cluster.MachineChanged:
			r.known.Delete(change.ID)
		case cluster.FileChanged:
			if change.File == nil {
				r.known.Clear()
			}
		case cluster.Corrupted:
			r.known.Clear()
		}
	}
}

// reserved is what the units that a machine is ordered to have reserve there; nil
// if it is nothing, or cannot be known because a file cannot be read.
func (v view) reserved(id cluster.MachineID) *Resources {
	if v.reservations == nil || v.past.other(id) {
		sum, _ := v.addUp(id)
		return sum
	}
	if sum, ok := v.reservations.known.Load(id); ok {
		return sum.(*Resources)
	}
	sum, ok := v.addUp(id)
	if ok {
		v.reservations.known.Store(id, sum)
	}
	return sum
}

// addUp tells besides whether everything is known.
func (v view) addUp(id cluster.MachineID) (*Resources, bool) {
	orders, _ := v.Orders(id)
	machine, _ := v.Machine(id)
	var sum Resources
	something := false
	for name, order := range orders.Units {
		needs, known := v.needed(order.Content, name)
		if !known {
			return nil, false
		}
		something = sum.add(needs, machine.Capacity.PhysicalMemory) || something
	}
	if !something {
		return nil, true
	}
	return &sum, true
}

// add takes in the needs of one unit on a machine with that much memory, and tells whether there were any.
func (r *Resources) add(n unit.Needs, physicalMemory int64) bool {
	memory := n.Memory
	if memory == 0 {
		memory = unit.ShareOf(physicalMemory, n.MemoryShare)
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
