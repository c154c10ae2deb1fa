package unit

import "time"

// State is everything systemd says about one unit at one moment. It is a
// value: whoever observed it, and when, belongs to the record that carries it.
type State struct {
	Load   string `json:"load,omitempty"`   // LoadState: loaded, not-found, bad-setting, error, masked
	Active string `json:"active,omitempty"` // ActiveState: active, reloading, inactive, failed, activating, deactivating
	Sub    string `json:"sub,omitempty"`    // SubState: depends on the unit type (running, exited, listening, waiting, …)

	Result       string    `json:"result,omitempty"`       // Result property: success, exit-code, signal, timeout, …; empty for types without one
	ExitStatus   int32     `json:"exitStatus,omitempty"`   // ExecMainStatus of a service: exit code, or signal number
	Signaled     bool      `json:"signaled,omitempty"`     // ExitStatus is the number of the signal that killed the main process
	Skipped      bool      `json:"skipped,omitempty"`      // the last start did nothing, because a condition of the file (ConditionPathExists=, …) was not met
	MainPID      uint32    `json:"mainPID,omitempty"`      // MainPID of a service, 0 if none runs
	Restarts     uint32    `json:"restarts,omitempty"`     // NRestarts: automatic restarts by systemd since the last start
	InvocationID string    `json:"invocationID,omitempty"` // 32 hexadecimal digits; empty if the unit was never started
	Since        time.Time `json:"since,omitzero"`         // when it came to be active, inactive, … as systemctl has it; the host's realtime clock, microseconds
	Job          string    `json:"job,omitempty"`          // type of the queued or running systemd job (start, stop, …), empty if none
}

// Running tells whether processes of the unit may exist: every active state
// but inactive and failed. An unknown state counts as running, because
// nothing may be concluded from what was not seen.
func (s State) Running() bool {
	return s.Active != "inactive" && s.Active != "failed"
}

// JobResult is the word with which systemd ended a job:
// done, canceled, timeout, failed, dependency, skipped, …
type JobResult string

// JobDone is the result of a job that achieved what was asked.
const JobDone JobResult = "done"
