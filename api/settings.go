package api

import (
	"maps"
	"time"

	"fleet/cluster"
)

// settingsEdit is what is done to the settings of one machine.
type settingsEdit struct {
	id      cluster.MachineID
	changes []settingsChange
}

// settingsChange changes settings whose maps are its own.
type settingsChange func(*cluster.Settings)

func setMetadata(key, value string) settingsChange {
	return func(s *cluster.Settings) { s.Metadata[key] = &value }
}

func hideMetadata(key string) settingsChange {
	return func(s *cluster.Settings) { s.Metadata[key] = nil }
}

// setCordoned keeps since when a machine is cordoned that was already.
func setCordoned(cordoned bool, now time.Time) settingsChange {
	return func(s *cluster.Settings) {
		switch {
		case !cordoned:
			s.CordonedSince = time.Time{}
		case !s.Cordoned:
			s.CordonedSince = now
		}
		s.Cordoned = cordoned
	}
}

// setDrain keeps since when a machine is drained that was already, in the same way.
func setDrain(boot string, now time.Time) settingsChange {
	return func(s *cluster.Settings) {
		if s.Drain == nil || s.Drain.Boot != boot {
			s.Drain = &cluster.Drain{Since: now, Boot: boot}
		}
	}
}

func endDrain(s *cluster.Settings) { s.Drain = nil }

// forget asks for a machine to be forgotten that was last known by that session.
func forget(session cluster.Session) settingsChange {
	return func(s *cluster.Settings) { s.Forget, s.Forgets = true, &session }
}

func setCapacity(resource string, amount int64) settingsChange {
	return func(s *cluster.Settings) { s.Capacity[resource] = amount }
}

// resetCapacity leaves the resource to the machine again.
func resetCapacity(resource string) settingsChange {
	return func(s *cluster.Settings) { delete(s.Capacity, resource) }
}

func (e settingsEdit) apply(current cluster.Settings) (cluster.Settings, error) {
	edited := current
	edited.Metadata = make(map[string]*string, len(current.Metadata))
	maps.Copy(edited.Metadata, current.Metadata)
	edited.Forget, edited.Forgets = false, nil // whoever lays something over a machine wants it to be known
	edited.Capacity = make(map[string]int64, len(current.Capacity))
	maps.Copy(edited.Capacity, current.Capacity)
	for _, change := range e.changes {
		change(&edited)
	}
	if size(edited) > maxSettings {
		return cluster.Settings{}, tooLarge("what is laid over machine "+string(e.id), byteLimit{bytes: maxSettings})
	}
	return edited, nil
}

// size counts the bytes of keys and values.
func size(s cluster.Settings) int {
	const number = 8
	n := 0
	for key, value := range s.Metadata {
		n += len(key)
		if value != nil {
			n += len(*value)
		}
	}
	for resource := range s.Capacity {
		n += len(resource) + number
	}
	return n
}
