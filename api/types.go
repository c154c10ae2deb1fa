package api

import (
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Unit is a unit in fleet's v1 JSON, with what ours adds. Fields that are empty are not sent.
type Unit struct {
	Name         unit.Name            `json:"name,omitempty"`
	Options      []Option             `json:"options,omitempty"` // not in events
	DesiredState cluster.DesiredState `json:"desiredState,omitempty"`
	CurrentState cluster.DesiredState `json:"currentState,omitempty"` // empty for a global unit
	MachineID    cluster.MachineID    `json:"machineID,omitempty"`    // empty for a global unit

	// What follows is not in v1.

	// Absent tells that no such unit is submitted. Its copies may still be stopping. Only in events.
	Absent     bool              `json:"absent,omitempty"`
	Global     bool              `json:"global,omitempty"`     // one copy runs on every machine that fits
	Generation int64             `json:"generation,omitempty"` // grows with every request that concerns the unit
	Content    unit.ContentID    `json:"content,omitempty"`    // SHA-256 of the unit file
	Hash       string            `json:"hash,omitempty"`       // fleet 1's hash of the unit file
	Move       int64             `json:"move,omitempty"`       // generation of the last request to move it
	MoveTo     cluster.MachineID `json:"moveTo,omitempty"`     // where to; empty: whichever is best, but where it was
	Outcome    *Outcome          `json:"outcome,omitempty"`
	Pending    *Pending          `json:"pending,omitempty"`
	Copies     []Copy            `json:"copies,omitempty"`
	Error      string            `json:"error,omitempty"` // why the record cannot be read
}

// Option is one assignment of a unit file.
type Option struct {
	Section string `json:"section,omitempty"` // without brackets
	Name    string `json:"name,omitempty"`    // what is before the equals sign
	Value   string `json:"value,omitempty"`   // what is behind it
}

// Outcome is how far the cluster has come with the last request for a unit.
type Outcome struct {
	Phase   cluster.Phase `json:"phase"`
	Message string        `json:"message,omitempty"` // what is missing, or why
}

// Copy is a unit on one machine: what the machine was ordered and what it says.
// If Presence is lost, or the machine has not reported yet, everything from
// ObservedAt on is unknown and empty.
type Copy struct {
	MachineID cluster.MachineID `json:"machineID"`
	Address   string            `json:"address,omitempty"` // of the machine
	Presence  cluster.Presence  `json:"presence"`
	Silent    bool              `json:"silent,omitempty"`   // the machine is present and its fleetd is not there: the rest is what it said last
	AwaySince time.Time         `json:"awaySince,omitzero"` // since when the machine is silent or lost, if that is known
	Ordered   bool              `json:"ordered"`            // the machine's orders have the unit
	Reason    string            `json:"reason,omitempty"`   // why here
	Since     time.Time         `json:"since,omitzero"`     // when it was placed here
	Move      int64             `json:"move,omitempty"`     // the last request to move the unit that was carried out or refused
	Takes     cluster.MachineID `json:"takes,omitempty"`    // the machine that has the unit until it is up here

	ObservedAt   time.Time      `json:"observedAt,omitzero"` // when the machine said the rest, its clock
	Hash         string         `json:"hash,omitempty"`      // fleet 1's hash of the file there
	Content      unit.ContentID `json:"content,omitempty"`
	Generation   int64          `json:"generation,omitempty"`   // the last that was carried out
	Load         string         `json:"load,omitempty"`         // systemd's LoadState
	Active       string         `json:"active,omitempty"`       // systemd's ActiveState
	Sub          string         `json:"sub,omitempty"`          // systemd's SubState
	Result       string         `json:"result,omitempty"`       // systemd's Result
	ExitStatus   int32          `json:"exitStatus,omitempty"`   // of the main process
	Signaled     bool           `json:"signaled,omitempty"`     // ExitStatus is the number of a signal
	Skipped      bool           `json:"skipped,omitempty"`      // a condition of the file was not met at the last start, which did nothing
	MainPID      uint32         `json:"mainPID,omitempty"`      // 0: there is none
	Restarts     uint32         `json:"restarts,omitempty"`     // how often systemd has restarted it
	InvocationID string         `json:"invocationID,omitempty"` // of the last start
	StateSince   time.Time      `json:"stateSince,omitzero"`    // when it came to be active, inactive, …; the machine's clock
	Job          string         `json:"job,omitempty"`          // systemd's job that is queued or runs
	JobResult    unit.JobResult `json:"jobResult,omitempty"`    // how the last job ended that fleet asked for
	Error        string         `json:"error,omitempty"`        // why the order could not be carried out
	Log          []string       `json:"log,omitempty"`          // last lines of a unit that failed; not in lists
}

// UnitState is what one machine says of one unit in fleet's v1 JSON, with what ours adds.
type UnitState struct {
	Name               unit.Name         `json:"name,omitempty"`
	Hash               string            `json:"hash,omitempty"` // fleet 1's hash of the unit file there
	MachineID          cluster.MachineID `json:"machineID,omitempty"`
	SystemdLoadState   string            `json:"systemdLoadState,omitempty"`   // loaded, not-found, …
	SystemdActiveState string            `json:"systemdActiveState,omitempty"` // active, inactive, failed, …
	SystemdSubState    string            `json:"systemdSubState,omitempty"`    // running, dead, …

	// What follows is not in v1.

	Reason           string    `json:"reason,omitempty"`           // why on this machine
	ObservedAt       time.Time `json:"observedAt,omitzero"`        // the machine's clock
	Silent           bool      `json:"silent,omitempty"`           // the machine's fleetd is not there: this is what it said last
	AwaySince        time.Time `json:"awaySince,omitzero"`         // since when, if that is known
	WantedGeneration int64     `json:"wantedGeneration,omitempty"` // the unit's
	Generation       int64     `json:"generation,omitempty"`       // the last that was carried out here
	InvocationID     string    `json:"invocationID,omitempty"`     // of the last start
	Result           string    `json:"result,omitempty"`           // systemd's Result
	ExitStatus       int32     `json:"exitStatus,omitempty"`       // of the main process
	Signaled         bool      `json:"signaled,omitempty"`         // ExitStatus is the number of a signal
	Restarts         uint32    `json:"restarts,omitempty"`         // by systemd
	StateSince       time.Time `json:"stateSince,omitzero"`        // when it came to be active, inactive, …; the machine's clock
	Error            string    `json:"error,omitempty"`            // why the order could not be carried out
}

// Machine is a machine in fleet's v1 JSON, with what ours adds. Of one that is not present only what is still known is said.
type Machine struct {
	ID        cluster.MachineID `json:"id,omitempty"`
	PrimaryIP string            `json:"primaryIP,omitempty"` // where its units are reached
	Metadata  map[string]string `json:"metadata,omitempty"`  // the machine's own with the operator's laid over it

	// What follows is not in v1.

	Endpoint string    `json:"endpoint,omitempty"` // URL at which its fleetd serves the API over TCP
	Version  string    `json:"version,omitempty"`  // of its fleetd
	Since    time.Time `json:"since,omitzero"`     // when it joined, its clock

	// State is lost, left, silent, returned, draining, cordoned, ready, or unknown if its record cannot be read: the first of these that is true.
	State      cluster.MachineState `json:"state,omitempty"`
	StateSince time.Time            `json:"stateSince,omitzero"` // since when it is in that state, if that is known
	BootID     string               `json:"bootID,omitempty"`    // of the kernel that it runs

	Units    int        `json:"units,omitempty"`    // how many it is ordered to have
	Capacity *Capacity  `json:"capacity,omitempty"` // the machine's own with the operator's laid over it
	Reserved *Resources `json:"reserved,omitempty"` // by the units that it is ordered to have
	Cordoned bool       `json:"cordoned,omitempty"` // it is given no further units
	Leaving  bool       `json:"leaving,omitempty"`  // its host is being shut down
	Drain    *Drain     `json:"drain,omitempty"`    // its units are to go elsewhere
	Fence    *Fence     `json:"fence,omitempty"`    // what guards units that say AtMostOnce; missing: they cannot run there
	Leader   bool       `json:"leader,omitempty"`   // its engine leads
	Error    string     `json:"error,omitempty"`    // why its record cannot be read
}

// Capacity is what a machine offers to units.
type Capacity struct {
	MaxUnits int `json:"maxUnits,omitempty"` // 0: no limit
	Resources
}

// UnitPage is one page of a list of units. An empty page is sent as "{}".
type UnitPage struct {
	Units         []Unit `json:"units,omitempty"`
	NextPageToken string `json:"nextPageToken,omitempty"` // of the next page, if there is one
}

// UnitStatePage is one page of a list of states.
type UnitStatePage struct {
	States        []UnitState `json:"states,omitempty"`
	NextPageToken string      `json:"nextPageToken,omitempty"` // of the next page, if there is one
}

// MachinePage is one page of a list of machines.
type MachinePage struct {
	Machines      []Machine `json:"machines,omitempty"`
	NextPageToken string    `json:"nextPageToken,omitempty"` // of the next page, if there is one
}

// Event is one line of the event stream.
type Event struct {
	Type     EventType `json:"type"`
	Revision int64     `json:"revision,omitempty"` // with this event everything selected has been told up to this revision of the store
	Unit     *Unit     `json:"unit,omitempty"`
	Machine  *Machine  `json:"machine,omitempty"`
	Message  string    `json:"message,omitempty"` // why, of reset and end
}

// EventType tells what an event is about.
type EventType string

// The types of events.
const (
	EventUnit        EventType = "unit"         // the newest state of a unit
	EventMachine     EventType = "machine"      // the newest state of a machine
	EventMachineGone EventType = "machine-gone" // a machine is no longer present, or if absent ones are told of too no longer known; only its id is given
	EventSync        EventType = "sync"         // everything selected has been told once
	EventReset       EventType = "reset"        // forget what was told before: everything follows anew, the message says why
	EventPing        EventType = "ping"         // nothing happened for a while
	EventEnd         EventType = "end"          // the stream ends; the message says why
)
