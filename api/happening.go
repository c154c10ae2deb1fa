package api

import (
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Happening is one thing that has happened in the cluster, in words.
type Happening struct {
	Revision  int64             `json:"revision,omitempty"` // of the store, at which it was recorded
	Time      time.Time         `json:"time,omitzero"`      // when the server that answers learned of it, its clock
	Type      HappeningType     `json:"type"`
	Unit      unit.Name         `json:"unit,omitempty"`
	MachineID cluster.MachineID `json:"machineID,omitempty"`
	Message   string            `json:"message,omitempty"` // for people
	Severity  Severity          `json:"severity,omitempty"`
}

// HappeningType tells what kind of thing has happened.
type HappeningType string

// The types of happenings.
const (
	// What users and operators asked for.
	HappenedSubmitted    HappeningType = "submitted"  // a unit is new
	HappenedReplaced     HappeningType = "replaced"   // a unit has another file
	HappenedWanted       HappeningType = "wanted"     // a unit is wanted in a state, which may be the one it was wanted in
	HappenedRestarting   HappeningType = "restarting" // a restart was asked for, or systemd restarts what has failed
	HappenedMoving       HappeningType = "moving"     // a move was asked for
	HappenedDestroyed    HappeningType = "destroyed"  // a unit is no longer wanted
	HappenedCordoned     HappeningType = "cordoned"   // a machine is given no further units
	HappenedUncordoned   HappeningType = "uncordoned"
	HappenedDraining     HappeningType = "draining" // a machine's units are to go elsewhere
	HappenedUndrained    HappeningType = "undrained"
	HappenedForgotten    HappeningType = "machine-forgotten"  // what was known of a machine that is gone was removed
	HappenedAcknowledged HappeningType = "alarm-acknowledged" // the engine goes on in spite of an alarm

	// What the engine decided.
	HappenedPlaced    HappeningType = "placed"    // a machine was given a unit
	HappenedMoved     HappeningType = "moved"     // the same, in place of another machine
	HappenedWithdrawn HappeningType = "withdrawn" // a machine has no longer to have a unit
	HappenedPending   HappeningType = "pending"   // a unit is on no machine, or cannot be changed where it is
	HappenedDrained   HappeningType = "drained"   // of a machine that is drained everything has left that can
	HappenedAlarm     HappeningType = "alarm"     // the engine needs people
	HappenedAlarmOver HappeningType = "alarm-over"

	// What a machine's systemd said.
	HappenedStarted   HappeningType = "started"
	HappenedRestarted HappeningType = "restarted"
	HappenedStopped   HappeningType = "stopped"
	HappenedFailed    HappeningType = "failed"
	HappenedGone      HappeningType = "gone" // a machine no longer has the unit

	// What became of machines.
	HappenedJoined   HappeningType = "machine-joined"
	HappenedLost     HappeningType = "machine-lost"
	HappenedLeft     HappeningType = "machine-left"   // it has gone, and had been emptied
	HappenedSilent   HappeningType = "machine-silent" // it is there, and its fleetd is not
	HappenedReturned HappeningType = "machine-returned"
	HappenedLeader   HappeningType = "leader" // another engine leads, or none

	HappenedUnreadable HappeningType = "unreadable" // a record cannot be read

	// HappenedGap tells that here something may have happened that is not remembered; the message says why.
	HappenedGap HappeningType = "gap"

	// Only in streams.
	HappeningPing HappeningType = "ping" // nothing happened for a while
	HappeningEnd  HappeningType = "end"  // the stream ends; the message says why
)

// Severity tells whether somebody should look.
type Severity string

// The severities.
const (
	SeverityInfo    Severity = "info"
	SeverityWarning Severity = "warning"
)

// HistoryPage is the answer to a request for what has happened, oldest first.
type HistoryPage struct {
	Events []Happening `json:"events"`
}
