package agent

import (
	"context"

	"fleet/unit"
)

// Systemd is what the agent needs of this host's systemd. All methods may be
// called at the same time; each returns when its context ends.
type Systemd interface {
	// Files lists the unit files that fleet has put on this host, with the id of the bytes on disk.
	Files(ctx context.Context) (map[unit.Name]unit.ContentID, error)
	// States reads the present state of many units in one call; a unit that
	// systemd does not know has Load "not-found" and Active "inactive".
	States(ctx context.Context, names []unit.Name) (map[unit.Name]unit.State, error)
	// Wait blocks until something about units may have changed since its last
	// call, and returns their names; all is true when any unit may have changed.
	Wait(ctx context.Context) (names []unit.Name, all bool, err error)
	// Load puts unit files in place and has systemd read them, once for all. The
	// map holds the error of each unit that failed; err concerns all of them.
	Load(ctx context.Context, files map[unit.Name][]byte) (map[unit.Name]error, error)
	// Unload removes files of units that do not run, with one reload, and refuses the others.
	Unload(ctx context.Context, names []unit.Name) (map[unit.Name]error, error)
	// Start, Stop and Restart queue a job in the place of any other of the unit,
	// and wait for its result. When ctx ends the job goes on.
	Start(ctx context.Context, n unit.Name) (unit.JobResult, error)
	Stop(ctx context.Context, n unit.Name) (unit.JobResult, error)
	Restart(ctx context.Context, n unit.Name) (unit.JobResult, error)
	// Permit lets a unit that is bound to the fence be started in a session, with a number that it sees as FLEET_FENCE.
	Permit(ctx context.Context, n unit.Name, session string, number int64) error
	// Logs returns the last lines that the unit's latest invocation wrote to the journal, oldest first.
	Logs(ctx context.Context, n unit.Name, lines int) ([]string, error)
}
