package schedule

import (
	"maps"
	"time"

	"fleet/cluster"
)

// away is what is known of a machine's being silent or gone: what the engine's record of it is to say, and says.
type away struct {
	last       *cluster.Machine // its record when it was last there; nil: this brain has not seen it
	is         *cluster.Absence // as decided; nil: it is as it should be
	written    *cluster.Absence // as the store has it
	writtenAt  int64            // revision of the last own write of that
	unreadable bool             // the stored record cannot be read and has to be replaced
	forgotten  int64            // revision of the last own removal of all that was recorded of it
	held       bool             // its units wait for it, see brake.go
}

// silent tells whether the machine is present while its fleetd is not there: what runs there runs on, and
// nobody would obey new orders.
func (m *machine) silent() bool {
	return m.record != nil && m.record.Attends && m.agent == nil && !m.bad[cluster.KindAgent]
}

// absenceChanged: an own write that comes back says nothing new. What cannot be read is replaced by what is known.
func (a *absorbing) absenceChanged(id cluster.MachineID, absence *cluster.Absence, unreadable bool) {
	m := a.machine(id)
	if m.away.writtenAt >= a.revision {
		return
	}
	m.away.written, m.away.unreadable = absence, unreadable
	if !unreadable {
		m.away.is = absence
	}
	a.losses.strayed.add(m)
}

// refreshAbsence follows a change of the machine's records.
func (s *State) refreshAbsence(m *machine) {
	if m.record != nil {
		m.away.last = m.record
	}
	if m.lost() || m.silent() || m.away.is != nil || m.away.written != nil || m.away.unreadable {
		s.losses.strayed.add(m)
	}
	s.losses.forgotten.put(m, m.forgotten())
	s.brake.look = s.brake.look || m.lost() // there is one less of which others are a share
}

// recallLast: what was there before the watch was told everything anew, and is not any more, was lost meanwhile.
func (s *State) recallLast(before map[cluster.MachineID]*machine) {
	for id, old := range before {
		if old.away.last == nil {
			continue
		}
		if m := s.machine(id); m.away.last == nil {
			m.away.last = old.away.last
			s.losses.strayed.add(m)
		}
	}
}

// lookAround finds out, from the records and the time, who is absent, and whose fence is.
func (s *State) lookAround(now time.Time) {
	if now.Before(s.now) {
		s.setBack(now)
	}
	s.now = now
	s.loseIfDue()
	s.weighRestore()
	s.noteAbsences()
	s.weighFences()
}

// setBack has all looked at again that goes by times that were written down: they may be still to come now.
func (s *State) setBack(now time.Time) {
	for _, m := range s.machines {
		if m.away.is != nil {
			s.losses.strayed.add(m)
			s.wakeHaunted(m)
		}
	}
	s.brake.look = true
	if s.brake.calm.After(now) {
		s.brake.calm = now
	}
	for _, t := range s.tasks {
		if t.recorded() {
			s.failures.resting.add(t)
		}
	}
}

// noteAbsences finds out who is silent or gone, and since when: from now on, if it was not so before. A rehearsal, which
// is not told the time, keeps to what is recorded.
func (s *State) noteAbsences() {
	if s.now.IsZero() {
		s.losses.strayed = set[*machine]{}
		return
	}
	for _, m := range sortedMachines(s.losses.strayed.of) {
		m.away.is = s.absenceOf(m)
		gone := m.away.is != nil && m.away.is.State == cluster.StateLost
		if gone != s.losses.gone.has(m) {
			s.losses.gone.put(m, gone)
			s.brake.look = true
		}
		s.losses.untold.add(m)
	}
	s.losses.strayed, s.losses.inherited = set[*machine]{}, false
}

// absenceOf is what the record of the machine's absence is to say. One that says so already stays as it is.
func (s *State) absenceOf(m *machine) *cluster.Absence {
	old := m.away.is
	switch {
	case m.forgotten():
		return nil
	case m.record != nil && !m.silent():
		return nil
	case m.record == nil && !m.lost():
		return old // its record cannot be read
	case m.record != nil && !m.reported():
		return nil // it is still coming
	}
	is := s.newAbsence(m)
	switch {
	case is == nil, old == nil:
		return is
	case old.State != is.State && !(old.State == cluster.StateLeft && is.State == cluster.StateLost):
		return is
	case old.State == cluster.StateSilent && old.Session != is.Session:
		return is
	case old.Since.After(s.now): // by a clock that is ahead
		was := *old
		was.Since = s.now
		return &was
	}
	return old
}

// newAbsence is the record of a machine that has fallen silent, or gone, now. Nil: nothing is known of it that were worth one.
func (s *State) newAbsence(m *machine) *cluster.Absence {
	is := cluster.Absence{Machine: m.id, State: cluster.StateSilent, Since: s.now}
	if m.record == nil {
		is.State = cluster.StateLost
		if m.left() {
			is.State = cluster.StateLeft
		}
	}
	switch {
	case m.away.last != nil:
		last := m.away.last
		is.Session, is.Address, is.Metadata, is.Version = last.Session, last.Address, maps.Clone(last.Metadata), last.Version
	case m.away.is != nil:
		old := m.away.is
		is.Session, is.Address, is.Metadata, is.Version = old.Session, old.Address, old.Metadata, old.Version
	case m.written == nil:
		return nil // nobody has ever ordered it to have anything
	default:
		is.Session = m.written.Session
	}
	if m.away.last == nil && m.away.is == nil && s.losses.inherited && !s.bereaves(m) {
		is.Since = time.Time{} // it was lost before anybody kept records of that
	}
	return &is
}

// left tells whether a machine that is gone has taken leave.
func (m *machine) left() bool {
	if m.written != nil && len(m.written.Units) > 0 {
		return false
	}
	if m.away.last != nil {
		return m.settings.Draining(*m.away.last)
	}
	return m.settings.Drain != nil
}

// bereaves tells whether a unit that the lost machine had has no place.
func (s *State) bereaves(m *machine) bool {
	if m.written == nil {
		return false
	}
	for name := range m.written.Units {
		if t := s.tasks[name]; t != nil && t.wanted() && !t.record.Global && !t.hasHome() {
			return true
		}
	}
	return false
}

// absenceParts are the records of absences that differ from those in the store.
func (s *State) absenceParts() []Step {
	var parts []Step
	for _, m := range sortedMachines(s.losses.untold.of) {
		if !m.away.unreadable && sameAbsence(m.away.is, m.away.written) || m.forgotten() {
			s.losses.untold.drop(m)
			continue
		}
		parts = append(parts, Step{Decision: cluster.Decision{Absences: map[cluster.MachineID]*cluster.Absence{m.id: m.away.is}}})
	}
	return parts
}

func sameAbsence(a, b *cluster.Absence) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	return a.State == b.State && a.Since.Equal(b.Since) && a.Session == b.Session &&
		a.Address == b.Address && a.Version == b.Version && maps.Equal(a.Metadata, b.Metadata)
}

// absenceWritten takes in an own record that the store has accepted.
func (s *State) absenceWritten(m *machine, absence *cluster.Absence, revision int64) {
	m.away.is, m.away.written, m.away.writtenAt, m.away.unreadable = absence, absence, revision, false
	s.losses.untold.drop(m)
}

// forgetParts are the removals of all records of machines.
func (s *State) forgetParts() []Step {
	var parts []Step
	for _, m := range sortedMachines(s.losses.forgotten.of) {
		parts = append(parts, Step{Decision: cluster.Decision{Forget: []cluster.MachineID{m.id}}})
	}
	return parts
}

// machineForgotten takes in that all records of a machine were removed. Nothing else changes by that: its units
// wait for it no more since that was asked for.
func (s *State) machineForgotten(m *machine, revision int64) {
	s.replaceOrders(m, nil)
	m.settings, m.bad = cluster.Settings{}, nil
	delete(s.corrupt, record{cluster.KindOrders, string(m.id)})
	m.away = away{writtenAt: revision, forgotten: revision}
	s.losses.gone.drop(m)
	s.losses.forgotten.drop(m)
	s.losses.strayed.drop(m)
	s.losses.untold.drop(m)
}

// echoesForget tells whether what the store says is that the records of m were removed, as this brain has done.
func (a *absorbing) echoesForget(m *machine) bool { return m.lost() && m.away.forgotten >= a.revision }

// forgotten tells whether an operator wants all records removed of a machine that is gone.
func (m *machine) forgotten() bool {
	return m.lost() && m.settings.Forget && !m.bad[cluster.KindSettings] &&
		(m.settings.Forgets == nil || *m.settings.Forgets == m.lastSession())
}

// lastSession is the one by which a machine that is gone was last known.
func (m *machine) lastSession() cluster.Session {
	switch {
	case m.away.is != nil:
		return m.away.is.Session
	case m.away.last != nil:
		return m.away.last.Session
	case m.written != nil:
		return m.written.Session
	}
	return cluster.Session{}
}
