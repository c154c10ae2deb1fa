package schedule

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
// until that is certain it is started nowhere. All leaders of an epoch are of sessions that began in it, and have patience for as
// long as a lease lives from then on.
func (s *State) unsure(t *task) bool {
	return s.epoch.Number > 0 && s.patient() && exclusive(t) && t.wanted() && !t.record.Global
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
