package agent

import (
	"context"
	"errors"
	"time"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

// Events tell what an agent does, for whoever counts. Those that are nil are not told. They are called while
// the agent waits, from several goroutines.
type Events struct {
	Planned  func(took time.Duration)               // the loop has looked at what is new, and begun what followed from it
	Stepped  func(kind reconcile.Kind, failed bool) // a step has ended; one that nobody waited for to its end is not told
	Reported func(took time.Duration, err error)    // a report was written, or was not; not when the session has ended
}

func (e Events) planned(began time.Time) {
	if e.Planned != nil {
		e.Planned(time.Since(began))
	}
}

func (e Events) stepped(kind reconcile.Kind, r reconcile.Result) {
	if e.Stepped != nil && !r.Interrupted {
		e.Stepped(kind, r.Err != nil || r.Job != "" && r.Job != unit.JobDone)
	}
}

func (e Events) reported(ctx context.Context, began time.Time, err error) {
	if e.Reported == nil || errors.Is(err, cluster.ErrSessionLost) || err != nil && ctx.Err() != nil {
		return
	}
	e.Reported(time.Since(began), err)
}

// Backlog is how much an agent has begun, and has not done yet.
type Backlog struct {
	Steps   int // of units: loads, jobs and unloads
	Fetches int // files that are being fetched, or wait for it
	Batch   int // loads and unloads that wait for the next batch
}

// Backlog is how much there is at present. Of each unit there is one step at most.
func (a *Agent) Backlog() Backlog {
	a.board.Lock()
	now := Backlog{Steps: len(a.board.Busy)}
	a.board.Unlock()
	q := &a.batch
	q.mu.Lock()
	defer q.mu.Unlock()
	now.Fetches, now.Batch = len(q.mu.fetching), len(q.mu.loads)+len(q.mu.unloads)
	return now
}

// Tally counts the units that this machine reports, by their active state.
func (a *Agent) Tally() map[string]int {
	a.board.Lock()
	defer a.board.Unlock()
	tally := make(map[string]int)
	for _, view := range a.board.views {
		tally[view.Active]++
	}
	return tally
}
