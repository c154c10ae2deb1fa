package systemd

import (
	"context"
	"errors"
	"time"

	"fleet/unit"
)

// Events tell what a Manager asks of systemd, for whoever counts. Those that are nil are not told. They are
// called from several goroutines, which go on when they return.
type Events struct {
	// Called tells of a call over D-Bus that was answered, or was not: what it was for, in one of the words of Calls.
	Called func(what Call, took time.Duration, err error)
	// Job tells of a job that systemd has ended: start, stop or restart. One that nobody waited for to its end is not told.
	Job func(verb Call, took time.Duration, result unit.JobResult)
}

// Call is what a call over D-Bus is for.
type Call string

const (
	callStart       Call = "start"
	callStop        Call = "stop"
	callRestart     Call = "restart"
	callReload      Call = "reload"
	callList        Call = "list"
	callProperty    Call = "property"
	callEnable      Call = "enable"
	callDisable     Call = "disable"
	callResetFailed Call = "reset-failed"
)

// Calls are all that there are.
func Calls() []Call {
	return []Call{callStart, callStop, callRestart, callReload, callList, callProperty, callEnable, callDisable, callResetFailed}
}

// Jobs are the verbs of jobs.
func Jobs() []Call { return []Call{callStart, callStop, callRestart} }

// called: that systemd does not know the unit is an answer, and a call that its caller gave up is no failure.
func (e Events) called(what Call, began time.Time, err error) {
	if e.Called == nil || errors.Is(err, context.Canceled) {
		return
	}
	if dbusName(err) == noSuchUnit {
		err = nil
	}
	e.Called(what, time.Since(began), err)
}

func (e Events) job(verb Call, began time.Time, result unit.JobResult) {
	if e.Job != nil {
		e.Job(verb, time.Since(began), result)
	}
}

// Asked is how much a Manager has asked of systemd that is not done, and the bounds of that.
type Asked struct {
	Calls, MaxCalls int // without an answer
	Jobs, MaxJobs   int // that are not over
}

// Asked is how much is asked of systemd at present.
func (m *Manager) Asked() Asked {
	now := Asked{MaxCalls: inFlight, MaxJobs: maxJobs}
	m.mu.Lock()
	s := m.mu.session
	m.mu.Unlock()
	if s != nil {
		now.Calls, now.Jobs = len(s.slots), len(s.jobs.room)
	}
	return now
}
