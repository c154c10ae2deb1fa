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
