package schedule

import (
	"cmp"
	"maps"
	"slices"

	"fleet/unit"
)

// The oracle is the rules said a second time: slowly, from the facts in the store and
// on the hosts, one machine and one unit at a time. It shares nothing with the brain.

// amounts are needs or room by resource, unit.Slots among them.
type amounts map[string]int64

func (a amounts) add(b amounts) {
	for key, n := range b {
		a[key] += n
	}
}

// most is what both take at the worst, resource by resource.
func (a amounts) most(b amounts) amounts {
	sum := maps.Clone(a)
	for key, n := range b {
		sum[key] = max(sum[key], n)
	}
	return sum
}

// rulesOf reads a file for a unit. What cannot be read demands nothing.
func (s *sim) rulesOf(name unit.Name, content unit.ContentID) unit.Rules {
	key := reading{name, content}
	rules, ok := s.read[key]
	if !ok {
		if f := s.texts[content]; f != nil {
			rules, _ = f.Rules(name)
		}
		s.read[key] = rules
	}
	return rules
}

type reading struct {
	name    unit.Name
	content unit.ContentID
}

// rules are those of the content that is wanted now.
func (s *sim) rules(name unit.Name) unit.Rules { return s.rulesOf(name, s.units[name].Content) }

// needs is what the unit reserves on a machine with that much physical memory.
func (s *sim) needs(name unit.Name, content unit.ContentID, physical int64) amounts {
	n := s.rulesOf(name, content).Needs
	a := amounts{unit.Slots: 1}
	a.add(n.Named)
	a.add(amounts{unit.Memory: n.Memory, unit.CPU: n.CPU, unit.Disk: n.Disk})
	if n.Memory == 0 {
		a[unit.Memory] += (physical/10000)*n.MemoryShare + (physical%10000*n.MemoryShare+9999)/10000
	}
	return a
}

// limits is what the machine offers to units, host's reserve and operator's word considered; without
// unit.Slots if that is not limited. What is not named there is not offered.
func (s *sim) limits(h *host) amounts {
	c := s.settings[h.id].Limit(h.record.Capacity)
	a := amounts{}
	a.add(c.Named)
	a.add(amounts{unit.Memory: c.Memory, unit.CPU: c.CPU, unit.Disk: c.Disk})
	if c.MaxUnits > 0 {
		a[unit.Slots] = int64(c.MaxUnits)
	}
	return a
}

// taken is what each unit takes that is, or is ordered to be, on the host.
// Where what runs and what is ordered differ, it is the more of both.
func (s *sim) taken(h *host) map[unit.Name]amounts {
	all := make(map[unit.Name]amounts)
	for name, o := range s.orders[h.id].Units {
		all[name] = s.needs(name, o.Content, h.record.Capacity.PhysicalMemory)
	}
	for name, c := range h.copies {
		all[name] = s.needs(name, c.Content, h.record.Capacity.PhysicalMemory).most(all[name])
	}
	return all
}

func total(of map[unit.Name]amounts) amounts {
	sum := amounts{}
	for _, a := range of {
		sum.add(a)
	}
	return sum
}

// over is what is taken beyond the limits.
func over(taken, limits amounts) amounts {
	excess := amounts{}
	for key, n := range taken {
		limit, limited := limits[key]
		if key == unit.Slots && !limited {
			continue
		}
		if n > limit {
			excess[key] = n - limit
		}
	}
	return excess
}

// resourceOrder lists what is stated in the order in which people expect it.
func resourceOrder(a amounts) []string {
	known := []string{unit.Memory, unit.CPU, unit.Disk}
	return slices.SortedFunc(maps.Keys(a), func(a, b string) int {
		i, j := slices.Index(known, a), slices.Index(known, b)
		switch {
		case i >= 0 && j >= 0:
			return cmp.Compare(i, j)
		case i >= 0 || j >= 0:
			return cmp.Compare(j, i)
		}
		return cmp.Compare(a, b)
	})
}

// hears tells whether the machine has said under its present session what is there.
func (h *host) hears() bool {
	return h.record != nil && h.report != nil && h.report.Session == h.record.Session
}
