package cluster

import "time"

// AlarmName says what an alarm is about. There is at most one alarm of each name.
type AlarmName string

// MassLoss: more machines were lost at once than the limit allows. While it stands the units of lost
// machines wait for these to return, or for an operator to acknowledge the alarm.
const MassLoss AlarmName = "mass-loss"

// The store comes near the size at which it refuses to grow. At most one of the two stands.
const (
	// StoreFilling: there is still room for everything.
	StoreFilling AlarmName = "store-filling"
	// StoreFull: what is left is kept for what goes on. While it stands and is not acknowledged no new units are taken in.
	StoreFull AlarmName = "store-full"
)

// AlarmNames lists all that there are.
func AlarmNames() []AlarmName { return []AlarmName{MassLoss, StoreFilling, StoreFull} }

// Alarm is something that the engine needs people for. The engine writes it and removes it.
type Alarm struct {
	Name     AlarmName
	Since    time.Time   // when it was raised, the engine's clock; tells alarms of one name apart
	Machines []MachineID // which it is about, sorted
	Message  string      // for people: what happened, what is held back, what to do
}

// Ack is an operator's word that the engine may go on in spite of an alarm. The API writes it, the engine removes it with the alarm.
type Ack struct {
	Name  AlarmName
	Since time.Time // Alarm.Since of the alarm that was acknowledged
}
