package schedule

import (
	"fmt"

	"fleet/cluster"
	"fleet/unit"
)

// space is how full the store is, and the alarms about that: store-filling while there is still room for everything,
// store-full while what is left is kept for what goes on. At most one of them is wanted. Nothing is decided from them here: it is
// the API that takes in no new units. A leader that has not looked yet leaves the alarms as the one before it has.
type space struct {
	is            *cluster.Space // nil: nobody has looked
	filling, full alarmState
}

// From which part of the quota on an alarm is raised, and below which it ends.
const (
	fillingFrom, fillingEnd = 0.80, 0.75
	fullFrom, fullEnd       = 0.95, 0.90
)

// Space takes in how full the store is. News of a store that is far from full, as it was before, need not be told.
func (s *State) Space(is cluster.Space) { s.space.is = &is }

// Tight tells whether an alarm may have to be raised, or to end, because the store is so full.
func Tight(is cluster.Space) bool { return is.Refuses || is.Taken() >= fillingEnd }

// weighSpace decides which of the alarms stand.
func (s *State) weighSpace() {
	x := &s.space
	if x.is == nil || x.is.Quota <= 0 {
		return
	}
	taken := x.is.Taken()
	isFull := x.is.Refuses || taken >= fullFrom || x.full.stands() && taken >= fullEnd
	isFilling := !isFull && (taken >= fillingFrom || (x.filling.stands() || x.full.stands()) && taken >= fillingEnd)
	s.keepAlarm(cluster.StoreFilling, isFilling)
	s.keepAlarm(cluster.StoreFull, isFull)
}

// keepAlarm has one of the two alarms stand, or not.
func (s *State) keepAlarm(name cluster.AlarmName, wanted bool) {
	switch a := s.alarmOf(name); {
	case !wanted:
		a.alarm = nil
	case a.alarm == nil:
		a.alarm = &cluster.Alarm{Name: name, Since: s.now, Message: spaceWords(*s.space.is, name == cluster.StoreFull)}
	}
}

// spaceWords say what is so, what it means, and the way out.
func spaceWords(is cluster.Space, full bool) string {
	size := func(n int64) string { return unit.Roughly(unit.Memory, n) }
	text := fmt.Sprintf("etcd has %s in use, in a file of %s, of the %s at which it refuses to grow", size(is.InUse), size(is.Size), size(is.Quota))
	switch {
	case is.Refuses:
		text += ", and refuses: nothing new is stored"
	case full:
		text += ": no new units are taken in, everything else goes on"
	}
	if is.Embedded {
		return text + ". Destroy units that are not needed, and see fleetctl store status; former values are given up by themselves"
	}
	return text + ". Destroy units that are not needed, then compact and defragment this etcd where it runs, or raise its quota (--quota-backend-bytes)"
}
