package reconcile

import (
	"fmt"
	"time"

	"fleet/unit"
)

// Kind is what a step does to its unit.
type Kind string

// The steps.
const (
	Load    Kind = "load"    // fetch the file, write it, have systemd read it
	Unload  Kind = "unload"  // remove the file of a unit that does not run
	Start   Kind = "start"   // start job
	Stop    Kind = "stop"    // stop job
	Restart Kind = "restart" // restart job
	Grant   Kind = "grant"   // permit a unit that is bound to the fence to be started
)

// Step is the one thing to do next with one unit.
type Step struct {
	Unit       unit.Name
	Kind       Kind
	Content    unit.ContentID // what is to be loaded or started; empty for a unit that leaves
	Generation int64          // the order that the step serves; 0 for a unit that leaves
	Restart    int64          // the restart that a start or restart job carries out
	Permit     Permit         // of the unit; its number is 0 for one that is not bound to the fence
	Settles    bool           // the job's success is all that the generation asks for
}

// Result is how a step ended.
type Result struct {
	Job unit.JobResult // of Start, Stop and Restart
	Err error          // the step could not be taken, or its end is unknown

	// Interrupted means that the caller stopped waiting. What systemd was
	// asked goes on; the step proves nothing.
	Interrupted bool
}

// Finish returns the memory of a unit after a step, given its state as it was
// read after the step had ended.
func Finish(m Memory, s Step, r Result, state unit.State, now time.Time) Memory {
	switch {
	case r.Interrupted:
		return m
	case r.Err != nil:
		m.failed(s.Generation, r.Err.Error(), now)
		return m
	}
	switch s.Kind {
	case Load:
		if state.Load != loaded {
			m.failed(s.Generation, fmt.Sprintf("load %s: systemd says %q", s.Unit, state.Load), now)
			return m
		}
		m.Content = s.Content
	case Grant:
		m.Permit = s.Permit
	case Stop:
		return stopped(m, s, r.Job, state, now)
	case Start, Restart:
		m.acted(s.Generation, s.Restart)
		m.Job = r.Job
	}
	m.overcome()
	return m
}

// stopped is Finish for Stop. A unit that systemd failed to stop in time and
// killed is as gone as any other; only one that is still there is not.
func stopped(m Memory, s Step, job unit.JobResult, state unit.State, now time.Time) Memory {
	m.Job = job
	m.overcome()
	if s.Settles && job == unit.JobDone {
		m.acted(s.Generation, s.Restart)
		return m
	}
	if state.Running() || state.Job != "" {
		m.failed(s.Generation, fmt.Sprintf("stop %s: the job ended with %q and the unit is %s", s.Unit, job, state.Active), now)
	}
	return m
}
