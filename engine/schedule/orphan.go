package schedule

import "time"

// orphan tells whether a unit without a record is one that was submitted in the history that was lost when the store was
// restored. The generation under which it was ordered, or was carried out where it is, shows that: nobody who lives in
// the present history was ever given it. Whether it has been destroyed since, nobody can tell; so it stays as it is,
// until somebody submits a unit of its name.
func (s *State) orphan(t *task) bool {
	if t.exists || t.corrupt != "" || s.epoch.Number == 0 {
		return false
	}
	for _, m := range t.where {
		if found, here := m.copyOf(t.name); here && s.epoch.Lost(found.Generation) {
			return true
		}
		if m.written != nil && s.epoch.Lost(m.written.Units[t.name].Generation) {
			return true
		}
	}
	return false
}

// unsure tells whether a unit that says AtMostOnce may run where nobody knows. In a store that was restored, its orders are those of
// the backup, and it may have gone elsewhere since. Its fence ends it there, since all sessions of that history have ended;
// until that is certain it is started nowhere. All leaders of an epoch are of sessions that began in it. It is certain when they are as old as
// the longest lease lives that any machine is known to have had: as the settings of machines differ, that need not be the leader's own.
func (s *State) unsure(t *task) bool {
	return s.epoch.Number > 0 && (s.patient() || s.restored) && exclusive(t) && t.wanted() && !t.record.Global
}

// sureAt is when no session of a history that was lost can go on any more.
func (s *State) sureAt() time.Time {
	var longest time.Duration
	for _, m := range s.machines {
		if m.written != nil {
			longest = max(longest, m.written.Lease)
		}
		if m.record != nil {
			longest = max(longest, m.record.Fence.TTL)
		}
	}
	return s.options.Since.Add(longest)
}

// weighRestore finds out whether that time has come. A rehearsal has no clock, and goes by what was decided.
func (s *State) weighRestore() {
	was := s.restored
	s.restored = s.epoch.Number > 0 && !s.options.Since.IsZero() && !s.now.IsZero() && s.now.Before(s.sureAt())
	if was && !s.restored {
		s.wakeUnsure()
	}
}

// nextSure is when it has to be looked at again; zero if it has not.
func (s *State) nextSure() time.Time {
	if !s.restored {
		return time.Time{}
	}
	return s.sureAt()
}

// wakeUnsure has those looked at that have waited for that.
func (s *State) wakeUnsure() {
	if s.epoch.Number == 0 {
		return
	}
	for _, t := range s.tasks {
		if exclusive(t) && t.wanted() && !t.hasHome() {
			s.wake(t)
		}
	}
}
