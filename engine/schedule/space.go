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
	is     *cluster.Space // nil: nobody has looked
	alarms [2]spaceAlarm  // in the order of spaceAlarmNames
}

var spaceAlarmNames = [2]cluster.AlarmName{cluster.StoreFilling, cluster.StoreFull}

// spaceAlarm is an alarm as decided and as the store has it.
type spaceAlarm struct {
	alarm, written *cluster.Alarm // nil: none
	writtenAt      int64          // revision of the last own write of that
	unreadable     bool           // the stored record cannot be read and has to be replaced
	ack            *cluster.Ack
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
	filling, full := &x.alarms[0], &x.alarms[1]
	taken := x.is.Taken()
	isFull := x.is.Refuses || taken >= fullFrom || full.stands() && taken >= fullEnd
	isFilling := !isFull && (taken >= fillingFrom || (filling.stands() || full.stands()) && taken >= fillingEnd)
	for i, wanted := range []bool{isFilling, isFull} {
		switch a := &x.alarms[i]; {
		case !wanted:
			a.alarm = nil
		case a.alarm == nil:
			a.alarm = &cluster.Alarm{Name: spaceAlarmNames[i], Since: s.now, Message: spaceWords(*x.is, isFull)}
		}
	}
}

// stands counts an alarm that cannot be read: there was one.
func (a *spaceAlarm) stands() bool { return a.alarm != nil || a.unreadable }

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

// spaceAlarms are those of them that stand and that nobody has acknowledged.
func (s *State) spaceAlarms() []cluster.Alarm {
	var all []cluster.Alarm
	for _, a := range s.space.alarms {
		if a.alarm != nil && (a.ack == nil || !a.ack.Since.Equal(a.alarm.Since)) {
			all = append(all, *a.alarm)
		}
	}
	return all
}

// spaceParts are the alarms that differ from those in the store.
func (s *State) spaceParts() []Step {
	if s.space.is == nil {
		return nil
	}
	var parts []Step
	for i, a := range s.space.alarms {
		if a.unreadable || !sameAlarm(a.alarm, a.written) {
			parts = append(parts, alarmPart(spaceAlarmNames[i], a.alarm))
		}
	}
	return parts
}

func (x *space) named(name cluster.AlarmName) *spaceAlarm {
	for i, n := range spaceAlarmNames {
		if n == name {
			return &x.alarms[i]
		}
	}
	return nil
}

// wrote takes in an own record that the store has accepted.
func (x *space) wrote(name cluster.AlarmName, alarm *cluster.Alarm, revision int64) {
	a := x.named(name)
	a.alarm, a.written, a.writtenAt, a.unreadable = alarm, alarm, revision, false
	if alarm == nil {
		a.ack = nil // it goes with the alarm
	}
}

// changed takes in what the store has. An own write that comes back says nothing new.
func (x *space) changed(name cluster.AlarmName, alarm *cluster.Alarm, unreadable bool, revision int64) {
	a := x.named(name)
	if a == nil || a.writtenAt >= revision {
		return
	}
	a.written, a.unreadable = alarm, unreadable
	if !unreadable {
		a.alarm = alarm
	}
}

func (x *space) acknowledge(name cluster.AlarmName, ack *cluster.Ack) {
	if a := x.named(name); a != nil {
		a.ack = ack
	}
}
