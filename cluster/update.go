package cluster

import "fleet/unit"

// Update is what a reader of the store is handed: first a whole snapshot, then
// only what changed, each at one revision. A second Reset means that changes
// may have been missed (the store had compacted them away, or refused to go on) and everything is told anew.
type Update struct {
	Revision int64
	Reset    bool
	Changes  []Change
}

// Change is one record that was written or removed: one of the types below.
// A nil record means that it was removed.
type Change interface{ apply(*Snapshot) }

type (
	// UnitChanged tells of a unit's record.
	UnitChanged struct {
		Name unit.Name
		Unit *Unit
	}
	// FileChanged tells of a unit file.
	FileChanged struct {
		ID   unit.ContentID
		File *unit.File
		// Revision is the store's revision at which the file was last written.
		Revision int64
	}
	// MachineChanged tells of a machine that came, changed or went.
	MachineChanged struct {
		ID      MachineID
		Machine *Machine
	}
	// SettingsChanged tells of an operator's settings for a machine.
	SettingsChanged struct {
		ID       MachineID
		Settings *Settings
	}
	// OrdersChanged tells of a machine's orders.
	OrdersChanged struct {
		ID     MachineID
		Orders *Orders
	}
	// ReportChanged tells of a machine's report.
	ReportChanged struct {
		ID     MachineID
		Report *Report
	}
	// PendingChanged tells why a unit has no machine, or that it has one now.
	PendingChanged struct {
		Name    unit.Name
		Pending *Pending
	}
	// FailuresChanged tells where a unit has failed.
	FailuresChanged struct {
		Name     unit.Name
		Failures *Failures
	}
	// AgentChanged tells of a fleetd that began to serve its machine, or does no more.
	AgentChanged struct {
		ID    MachineID
		Agent *Agent
	}
	// AbsenceChanged tells of a machine that was found silent or gone, or is back.
	AbsenceChanged struct {
		ID      MachineID
		Absence *Absence
	}
	// AlarmChanged tells of something that the engine needs people for, or no more.
	AlarmChanged struct {
		Name  AlarmName
		Alarm *Alarm
	}
	// AckChanged tells that an operator has acknowledged an alarm.
	AckChanged struct {
		Name AlarmName
		Ack  *Ack
	}
	// EpochChanged tells of the epoch that the store is in; nil: it was never restored.
	EpochChanged struct{ Epoch *Epoch }
	// LeaderChanged tells which machine's engine leads; empty if none does.
	LeaderChanged struct{ Machine MachineID }
	// Corrupted tells of a record that is there and cannot be read. What it was about
	// is unknown, not absent: nothing may be stopped because of it.
	Corrupted struct {
		Kind Kind
		ID   string // the part of the key behind the kind: a unit's name, a machine's id, a content id
		Err  string
	}
)

// Kind names a family of records by the first part of its keys.
type Kind string

// The families of records.
const (
	KindUnit     Kind = "units"
	KindFile     Kind = "files"
	KindMachine  Kind = "machines"
	KindSettings Kind = "settings"
	KindOrders   Kind = "orders"
	KindReport   Kind = "reports"
	KindPending  Kind = "pending"
	KindFailures Kind = "failures"
	KindAgent    Kind = "agents"
	KindAbsence  Kind = "absences"
	KindAlarm    Kind = "alarms"
	KindAck      Kind = "acks"
	KindEpoch    Kind = "epoch"
)

// Decision is what the engine writes in one transaction: the whole new orders
// of each machine that is concerned, reasons, and files that nothing refers to any more.
type Decision struct {
	Orders   map[MachineID]Orders
	Pending  map[unit.Name]*Pending   // nil removes the record
	Failures map[unit.Name]*Failures  // nil removes the record
	Collect  map[unit.ContentID]int64 // files to remove, if their revision is still this
	Absences map[MachineID]*Absence   // nil removes the record
	Alarms   map[AlarmName]*Alarm     // nil removes the record, and its acknowledgement
	Forget   []MachineID              // machines of which orders, settings and absence are removed
}

// Size is the number of records that d writes.
func (d Decision) Size() int {
	return len(d.Orders) + len(d.Pending) + len(d.Failures) + len(d.Collect) + len(d.Absences) + 2*len(d.Alarms) + 3*len(d.Forget)
}

// MaxDecision is the largest Size of one Decision: etcd refuses transactions
// of more than 128 operations by default.
const MaxDecision = 100
