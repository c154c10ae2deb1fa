package schedule

import (
	"cmp"
	"container/heap"
	"fmt"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// losses are the machines that are silent or gone, and the units that wait for them.
type losses struct {
	strayed   set[*machine] // of which it has to be found out whether they are silent or gone
	untold    set[*machine] // the record of whose absence may have to be written
	gone      set[*machine] // that are recorded as lost
	forgotten set[*machine] // of which all records have to be removed
	inherited bool          // what is found lost now may have been so before this brain began

	unfenced set[*machine] // with units that wait there for a fence to come back

	missed  set[*machine]            // the lost machines of which it is known what they had
	haunted map[unit.Name][]*machine // the lost machines that had the unit, and no other after them
	due     dueTimes                 // when units no longer wait for their machines
	dueOf   map[unit.Name]time.Time  // the same by unit
}

// wait is why a unit waits for a machine that is lost.
type wait int

const (
	waitNot      wait = iota
	waitPatience      // after an outage, see patience.go
	waitBrake         // too many were lost at once, see brake.go
	waitOnLost        // OnLost=wait
	waitSpan          // ReplaceAfter=
	waitRestored      // it may run where nobody knows, see orphan.go
	waitLoose         // it may run there without a fence, see unbound.go
)

// haunt keeps account of which lost machines had which units.
func (s *State) haunt(m *machine) {
	var had *cluster.Orders
	if m.lost() && !m.forgotten() {
		had = m.written
	}
	if had == m.had {
		return
	}
	if before := m.had; before != nil {
		for name := range before.Units {
			left := slices.DeleteFunc(s.losses.haunted[name], func(o *machine) bool { return o == m })
			s.losses.haunted[name] = left
			if len(left) == 0 {
				delete(s.losses.haunted, name)
			}
		}
		s.wakeHaunted(m)
	}
	m.had = had
	s.losses.missed.put(m, had != nil)
	if had != nil {
		for name := range had.Units {
			if t := s.tasks[name]; t == nil || !t.hasHome() {
				s.losses.haunted[name] = append(s.losses.haunted[name], m)
			}
		}
		s.wakeHaunted(m)
	}
}

// resettle: a unit that was given another machine does not wait for the lost one any more, wherever it goes from there.
func (s *State) resettle(t *task) {
	if len(s.losses.haunted) > 0 {
		delete(s.losses.haunted, t.name)
	}
}

// wakeHaunted has the units without a place looked at that the machine had when it was lost.
func (s *State) wakeHaunted(m *machine) {
	if m.had == nil {
		return
	}
	wake := func(name unit.Name) {
		if t := s.tasks[name]; t != nil && t.wanted() && !t.hasHome() {
			s.wake(t)
		}
	}
	for name := range m.had.Units {
		wake(name)
	}
	for name := range m.had.Left {
		wake(name)
	}
}

// lastHad is the lost machine that had the unit last: of two, the one that was told last, unless it was only to take it
// over from the other. Nil: there is none.
func (s *State) lastHad(t *task) *machine {
	lost := s.losses.haunted[t.name]
	if len(lost) == 0 {
		return nil
	}
	return slices.MaxFunc(lost, func(a, b *machine) int {
		switch {
		case a.written.Units[t.name].Takes == b.id:
			return -1
		case b.written.Units[t.name].Takes == a.id:
			return +1
		}
		return cmp.Or(cmp.Compare(a.written.Revision, b.written.Revision), byID(a, b))
	})
}

// awaited returns why the unit waits and for which lost machine, if it is one in particular; waitNot if it does not wait.
func (s *State) awaited(t *task) (*machine, wait) {
	if s.unsure(t) {
		return nil, waitRestored
	}
	if m := s.loose(t); m != nil {
		return m, waitLoose
	}
	if len(s.losses.haunted) == 0 {
		return nil, waitNot
	}
	m := s.lastHad(t)
	switch {
	case m == nil:
		return nil, waitNot
	case s.patient():
		return m, waitPatience
	case m.away.held:
		return m, waitBrake
	case t.claim != nil, t.record.Move > m.written.Units[t.name].Move:
		return nil, waitNot // it is about to go elsewhere, or was asked to
	case s.waitsForGood(t):
		return m, waitOnLost
	case s.now.Before(s.replacedAt(t, m)):
		return m, waitSpan
	}
	return nil, waitNot
}

// waitsForGood tells whether the unit is never placed elsewhere because its machine is lost.
func (s *State) waitsForGood(t *task) bool {
	if t.rules.OnLost == "" && t.rules.ReplaceAfter != nil {
		return false
	}
	return cmp.Or(t.rules.OnLost, s.options.OnLost) == unit.Wait
}

// replacedAt is when the unit is placed elsewhere if its machine stays away.
func (s *State) replacedAt(t *task, m *machine) time.Time {
	after := s.options.ReplaceAfter
	if t.rules.ReplaceAfter != nil {
		after = *t.rules.ReplaceAfter
	}
	if after <= 0 || m.away.is == nil {
		return time.Time{}
	}
	return m.away.is.Since.Add(after)
}

// awaitLost has the unit wait for a lost machine to return, or first for one that is back to say whether the unit is there.
func (s *State) awaitLost(t *task, m *machine, why wait) {
	if why == waitRestored {
		s.release(t)
		s.pend(t.alone(), cluster.Pending{
			Waiting: true,
			Message: "waiting until it is certain to have ended wherever it was before the store was restored (AtMostOnce)",
		})
		return
	}
	if back := t.alone().unheard(); back != nil {
		s.hearOut(t.alone(), back)
		return
	}
	s.waitFor(t, m, why)
}

// waitFor records that the unit waits for a lost machine to return. It belongs to no group
// meanwhile: its followers wait for it, its peers do not.
func (s *State) waitFor(t *task, m *machine, why wait) {
	s.release(t)
	says := ""
	switch why {
	case waitPatience:
		says = "after an outage machines are given a moment to do so"
	case waitBrake:
		says = s.brakeSays()
	case waitOnLost:
		says = "OnLost=wait; forget that machine, or move the unit, to have it started elsewhere"
	case waitLoose:
		says = "it may run a copy there from before it said AtMostOnce, which no fence has ended; forget that machine when nothing runs there any more"
	case waitSpan:
		at := s.replacedAt(t, m)
		s.remind(t, at)
		says = "started elsewhere at " + at.UTC().Format(forPeople) + " (ReplaceAfter)"
	}
	s.pend(t.alone(), cluster.Pending{
		Waiting: true,
		Message: fmt.Sprintf("waiting for machine %s, which had it, to return: %s", m.id.Short(), says),
	})
}

// remind has the unit looked at again at that time.
func (s *State) remind(t *task, at time.Time) {
	if s.losses.dueOf[t.name].Equal(at) {
		return
	}
	s.losses.dueOf[t.name] = at
	heap.Push(&s.losses.due, dueTime{at, t.name})
}

// wakeDue has the units looked at whose time has come.
func (s *State) wakeDue() {
	for len(s.losses.due) > 0 && !s.now.Before(s.losses.due[0].at) {
		d := heap.Pop(&s.losses.due).(dueTime)
		if s.losses.dueOf[d.unit].Equal(d.at) {
			delete(s.losses.dueOf, d.unit)
		}
		if t := s.tasks[d.unit]; t != nil {
			s.wake(t)
		}
	}
}

// nextDue is when the first unit no longer waits for its machine; zero if none does.
func (s *State) nextDue() time.Time {
	if len(s.losses.due) == 0 {
		return time.Time{}
	}
	return s.losses.due[0].at
}

type dueTime struct {
	at   time.Time
	unit unit.Name
}

// dueTimes is a heap, the earliest first. A unit that waits no more stays in it until its time has come.
type dueTimes []dueTime

func (d dueTimes) Len() int           { return len(d) }
func (d dueTimes) Less(i, j int) bool { return d[i].at.Before(d[j].at) }
func (d dueTimes) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *dueTimes) Push(x any)        { *d = append(*d, x.(dueTime)) }

func (d *dueTimes) Pop() any {
	last := len(*d) - 1
	x := (*d)[last]
	*d = (*d)[:last]
	return x
}
