package cluster

import "time"

// MachineState is the one word for how a machine is. Of several that are true the first of this list is shown.
type MachineState string

// The states of a machine.
const (
	StateLeft     MachineState = "left"     // gone after it was drained, or shut down with nothing on it
	StateLost     MachineState = "lost"     // its lease has ended: what runs there is unknown
	StateSilent   MachineState = "silent"   // its lease lives, its fleetd does not: what runs there runs on, nothing is added
	StateReturned MachineState = "returned" // present again, and without orders for its new session yet
	StateDraining MachineState = "draining" // its units go elsewhere
	StateCordoned MachineState = "cordoned" // it is given no further units
	StateReady    MachineState = "ready"
	StateUnknown  MachineState = "unknown" // its record cannot be read
)

// State is how a machine is, and since when; the zero time if that is not known. A machine that was never heard of is lost.
func (s *Snapshot) State(id MachineID) (MachineState, time.Time) {
	machine, there := s.machines[id]
	absence := s.absences[id]
	settings := s.settings[id]
	switch presence := s.Presence(id); {
	case presence == Unknown:
		return StateUnknown, time.Time{}
	case !there && absence.State == StateLeft:
		return StateLeft, absence.Since
	case !there:
		return StateLost, absence.Since
	case s.Silent(id):
		return StateSilent, absence.Since
	case presence == Returned:
		return StateReturned, machine.Since
	case settings.Draining(machine):
		if settings.Drain == nil {
			return StateDraining, time.Time{}
		}
		return StateDraining, settings.Drain.Since
	case settings.Cordoned:
		return StateCordoned, settings.CordonedSince
	}
	return StateReady, machine.Since
}

// Silent tells whether a machine is present while its fleetd is not there.
func (s *Snapshot) Silent(id MachineID) bool {
	machine, there := s.machines[id]
	_, attended := s.agents[id]
	_, damaged := s.Corrupt(KindAgent, string(id))
	return there && machine.Attends && !attended && !damaged
}
