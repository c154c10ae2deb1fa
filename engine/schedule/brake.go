package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fleet/cluster"
)

// brake is what holds back the consequences of losses. That many machines are lost at once is hardly ever what it
// seems: more likely they are cut off, and what they ran runs on. So when more than Options.LossLimit of the machines are lost
// within Options.LossWindow their units wait, and an alarm says so, until enough of them are back or an
// operator acknowledges the alarm. Which machines that are follows from records, so the next leader holds what this one held:
//
//   - while no alarm stands, those that were lost within the window;
//   - while one stands, those that it names, and those that were lost since it was raised;
//   - while an acknowledged one stands, those that it does not name and that were lost within the window. Those that it
//     names do not count, as if they had never been; it stands until they are out of the window.
//
// Leases end one after another, even of machines that were all cut off at once. So at the first loss the shell finds out which
// of those present have not renewed theirs (Doubts, Suspect). They count as lost, too, but raise no alarm: within
// a lease they have renewed it or are lost.
type brake struct {
	alarmState // cluster.MassLoss

	look    bool       // something has changed that it depends on
	next    time.Time  // when it is to be looked at anyway; zero: there is no need
	overdue int        // how many of the present machines have not renewed their leases
	counted int        // how many counted as lost when it was looked at last
	calm    time.Time  // since when an alarm stands although no more are lost than the limit allows
	holding []*machine // whose units wait
}

const (
	defaultLossLimit  = 50 // percent
	defaultLossWindow = time.Minute
	defaultGrace      = 10 * time.Second
	noLimit           = 100         // percent: more cannot be lost
	fewLosses         = 1           // that many at once are nothing to wonder at
	askAgain          = time.Second // how long units are held by doubts before these are raised again
)

func (o Options) lossLimit() int             { return cmp.Or(o.LossLimit, defaultLossLimit) }
func (o Options) lossWindow() time.Duration  { return cmp.Or(o.LossWindow, defaultLossWindow) }
func (o Options) returnGrace() time.Duration { return cmp.Or(o.ReturnGrace, defaultGrace) }

// Doubts returns the machines of which has to be known, before Decide is called for this moment, whether they renew
// their leases; none if nothing hinges on that.
func (s *State) Doubts(now time.Time) []cluster.MachineID {
	s.lookAround(now)
	if !s.brake.due(now) || s.patient() || s.options.lossLimit() >= noLimit {
		return nil
	}
	if lost := len(s.countLost()); lost == 0 || s.exceeds(lost, lost) {
		return nil
	}
	var ids []cluster.MachineID
	for _, m := range s.present() {
		ids = append(ids, m.id)
	}
	return ids
}

// Suspect answers Doubts: these are present, and have not renewed their leases for so long that they may be about to be lost.
func (s *State) Suspect(overdue []cluster.MachineID) {
	s.brake.overdue = 0
	for _, id := range overdue {
		if m := s.machines[id]; m != nil && !m.lost() {
			s.brake.overdue++
		}
	}
	s.brake.look = true
}

func (b *brake) due(now time.Time) bool {
	return b.look || !b.next.IsZero() && !now.Before(b.next)
}

// exceeds tells whether so many losses are more than the limit allows, of the machines present and
// the lost ones.
func (s *State) exceeds(losses, lost int) bool {
	all := lost + len(s.listed) + len(s.mute.of)
	return losses > fewLosses && losses*100 > s.options.lossLimit()*all
}

// countLost lists the lost machines that count, by id.
func (s *State) countLost() []*machine {
	var lost []*machine
	for m := range s.losses.gone.of {
		if s.counts(m) {
			lost = append(lost, m)
		}
	}
	slices.SortFunc(lost, byID)
	return lost
}

func (s *State) counts(m *machine) bool {
	b := &s.brake
	named := false
	if b.alarm != nil {
		_, named = slices.BinarySearch(b.alarm.Machines, m.id)
	}
	switch {
	case b.alarm != nil && !b.acknowledged():
		return named || !m.away.is.Since.Before(b.alarm.Since)
	case named:
		return false
	}
	return s.recent(m)
}

// recent tells whether the machine was lost within the window.
func (s *State) recent(m *machine) bool {
	return m.away.is.Since.After(s.now.Add(-s.options.lossWindow()))
}

// weighLosses finds out whose units wait.
func (s *State) weighLosses() {
	b := &s.brake
	if s.patient() {
		b.next = time.Time{} // when that ends it is looked at
		return
	}
	if !b.due(s.now) {
		return
	}
	b.look, b.next = false, time.Time{}
	lost := s.countLost()
	over := s.exceeds(len(lost), len(lost))
	doubtful := len(lost) > 0 && s.exceeds(len(lost)+b.overdue, len(lost))
	b.overdue = 0
	switch {
	case s.now.IsZero(): // a rehearsal raises no alarms
		if b.alarm == nil || b.acknowledged() {
			lost = nil
		}
	case b.alarm == nil && b.unreadable && len(s.losses.gone.of) > 0:
		// That there was an alarm is known, what it said is not.
		lost = sortedMachines(s.losses.gone.of)
		s.raise(lost)
	case b.alarm == nil || b.acknowledged():
		if over {
			s.raise(lost)
		} else if !doubtful {
			lost = nil
		}
		s.outlive()
	case !s.goesOn(lost, over, doubtful):
		b.alarm, lost = nil, nil
	}
	if doubtful && !over {
		b.wakeAt(s.now.Add(askAgain))
	}
	b.counted = len(lost)
	s.brakeFor(lost)
}

func (b *brake) wakeAt(at time.Time) {
	if b.next.IsZero() || at.Before(b.next) {
		b.next = at
	}
}

// goesOn tells whether an alarm that nobody has acknowledged goes on to stand. When enough machines
// have returned the others are given a moment to do so, too.
func (s *State) goesOn(lost []*machine, over, doubtful bool) bool {
	b := &s.brake
	switch {
	case len(lost) == 0, s.options.lossLimit() >= noLimit:
		return false
	case over:
		b.calm = time.Time{}
	case b.calm.IsZero() || len(lost) < b.counted:
		b.calm = s.now
	}
	if !over && !doubtful {
		end := b.calm.Add(s.options.returnGrace())
		if !s.now.Before(end) {
			return false
		}
		b.wakeAt(end)
	}
	if ids := idsOf(lost); !slices.Equal(ids, b.alarm.Machines) {
		b.alarm = s.alarmAbout(lost, b.alarm.Since, over)
	}
	return true
}

func (s *State) raise(lost []*machine) {
	s.brake.alarm, s.brake.calm = s.alarmAbout(lost, s.now, true), time.Time{}
}

func (s *State) alarmAbout(lost []*machine, since time.Time, over bool) *cluster.Alarm {
	text := "%d of %d machines lost, more at once than loss_limit = %d%% allows: their units wait for them to return. " +
		"If they are gone for good, acknowledge this alarm to have their units started elsewhere"
	if !over {
		text = "%d of %d machines still lost, after more were at once than loss_limit = %d%% allows: " +
			"what does not return in a moment, as others did, has its units started elsewhere"
	}
	all := len(lost) + len(s.listed) + len(s.mute.of)
	return &cluster.Alarm{
		Name: cluster.MassLoss, Since: since, Machines: idsOf(lost),
		Message: fmt.Sprintf(text, len(lost), all, s.options.lossLimit()),
	}
}

// outlive removes an acknowledged alarm when none of its machines would count without it.
func (s *State) outlive() {
	b := &s.brake
	if !b.acknowledged() {
		return
	}
	var end time.Time
	for _, id := range b.alarm.Machines {
		if m := s.machines[id]; m != nil && s.losses.gone.has(m) && s.recent(m) {
			if at := m.away.is.Since.Add(s.options.lossWindow()); at.After(end) {
				end = at
			}
		}
	}
	if end.IsZero() {
		b.alarm = nil
		return
	}
	b.wakeAt(end)
}

// brakeFor has the units of these machines wait, and of no others.
func (s *State) brakeFor(lost []*machine) {
	before := s.brake.holding
	s.brake.holding = lost
	for _, m := range before {
		m.away.held = false
	}
	for _, m := range lost {
		m.away.held = true
		if _, was := slices.BinarySearchFunc(before, m, byID); !was {
			s.wakeHaunted(m)
		}
	}
	for _, m := range before {
		if !m.away.held {
			s.wakeHaunted(m)
		}
	}
}

// brakeSays is why units wait for the machines that count.
func (s *State) brakeSays() string {
	if s.brake.alarm == nil || s.brake.acknowledged() {
		return "other machines have missed a renewal of their lease, and may be about to be lost as well"
	}
	return "too many machines were lost at once (alarm " + string(cluster.MassLoss) + ")"
}

func idsOf(machines []*machine) []cluster.MachineID {
	ids := make([]cluster.MachineID, len(machines))
	for i, m := range machines {
		ids[i] = m.id
	}
	return ids
}
