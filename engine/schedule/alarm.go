package schedule

import (
	"slices"

	"fleet/cluster"
)

// alarmState is one alarm as decided and as the store has it.
type alarmState struct {
	alarm      *cluster.Alarm // as decided; nil: none
	written    *cluster.Alarm // as the store has it
	writtenAt  int64          // revision of the last own write of that
	unreadable bool           // the stored record cannot be read and has to be replaced
	ack        *cluster.Ack
}

// alarmOf is the alarm of that name, nil if this engine knows none.
func (s *State) alarmOf(name cluster.AlarmName) *alarmState {
	switch name {
	case cluster.MassLoss:
		return &s.brake.alarmState
	case cluster.StoreFilling:
		return &s.space.filling
	case cluster.StoreFull:
		return &s.space.full
	}
	return nil
}

// Alarms lists the alarms that stand and that nobody has acknowledged.
func (s *State) Alarms() []cluster.Alarm {
	var all []cluster.Alarm
	for _, name := range cluster.AlarmNames() {
		if a := s.alarmOf(name); a.alarm != nil && !a.acknowledged() {
			all = append(all, *a.alarm)
		}
	}
	return all
}

// stands counts an alarm that cannot be read: there was one.
func (a *alarmState) stands() bool { return a.alarm != nil || a.unreadable }

func (a *alarmState) acknowledged() bool {
	return a.alarm != nil && a.ack != nil && a.ack.Since.Equal(a.alarm.Since)
}

// alarmChanged: an own write that comes back says nothing new. What cannot be read is replaced by what is known.
func (a *absorbing) alarmChanged(name cluster.AlarmName, alarm *cluster.Alarm, unreadable bool) {
	is := a.alarmOf(name)
	if is == nil || is.writtenAt >= a.revision {
		return
	}
	is.written, is.unreadable = alarm, unreadable
	if !unreadable {
		is.alarm = alarm
	}
	a.alarmTold(name)
}

func (a *absorbing) ackChanged(name cluster.AlarmName, ack *cluster.Ack) {
	if is := a.alarmOf(name); is != nil {
		is.ack = ack
		a.alarmTold(name)
	}
}

// alarmTold has the brake look at what is new of its alarm.
func (a *absorbing) alarmTold(name cluster.AlarmName) {
	if name == cluster.MassLoss {
		a.brake.look = true
	}
}

// alarmParts are the records of the alarms that differ from those in the store. Those about its room are left alone until
// somebody has looked.
func (s *State) alarmParts() []Step {
	var parts []Step
	for _, name := range cluster.AlarmNames() {
		a := s.alarmOf(name)
		if name != cluster.MassLoss && s.space.is == nil || !a.unreadable && sameAlarm(a.alarm, a.written) {
			continue
		}
		parts = append(parts, Step{Decision: cluster.Decision{Alarms: map[cluster.AlarmName]*cluster.Alarm{name: a.alarm}}})
	}
	return parts
}

func sameAlarm(a, b *cluster.Alarm) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return a.Since.Equal(b.Since) && a.Message == b.Message && slices.Equal(a.Machines, b.Machines)
}

// alarmWritten takes in an own record that the store has accepted.
func (s *State) alarmWritten(name cluster.AlarmName, alarm *cluster.Alarm, revision int64) {
	a := s.alarmOf(name)
	a.alarm, a.written, a.writtenAt, a.unreadable = alarm, alarm, revision, false
	if alarm == nil {
		a.ack = nil // it goes with the alarm
	}
}
