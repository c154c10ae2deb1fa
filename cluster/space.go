package cluster

import (
	"slices"
	"strings"
)

// Space is how full the store is, as the fullest of its members has it, in bytes.
type Space struct {
	InUse int64 // of its database, what holds something
	Size  int64 // of the file. It is what etcd compares with the quota; what is not in use is used again, and given back by defragmenting
	Quota int64 // the size at which it refuses whatever might grow it; 0: not known

	Embedded bool // it is fleet's own, which compacts and defragments it
	Refuses  bool // it refuses whatever might grow it
}

// Taken is the part of the quota, 0 to 1 or a little more, that cannot be had without removing something, or
// without somebody who defragments an etcd that is not fleet's own.
func (s Space) Taken() float64 {
	switch {
	case s.Quota <= 0:
		return 0
	case s.Embedded:
		return float64(s.InUse) / float64(s.Quota)
	}
	return float64(s.Size) / float64(s.Quota)
}

// noSpace is how etcd calls the alarm that has it refuse whatever might grow it.
const noSpace = "NOSPACE"

// Refuses tells whether the member has run out of room, and etcd refuses whatever might grow it.
func (m StoreMember) Refuses() bool {
	return slices.ContainsFunc(m.Alarms, func(a string) bool { return strings.Contains(a, noSpace) })
}

// Space is how full the store is: that is decided by whichever member is the fullest. It is not known, and its
// quota 0, while no member says.
func (s Store) Space() Space {
	space := Space{Embedded: s.Embedded}
	for _, m := range s.Members {
		space.InUse, space.Size = max(space.InUse, m.InUse), max(space.Size, m.Size)
		if space.Quota == 0 || m.Quota > 0 && m.Quota < space.Quota {
			space.Quota = m.Quota
		}
		space.Refuses = space.Refuses || m.Refuses()
	}
	return space
}
