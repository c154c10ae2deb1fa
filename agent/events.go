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
	Stepped  func(kind reconcile.Kind, failed bool) // a step has ended; one that nobody waited for to its end is not told
	Reported func(took time.Duration, err error)    // a report was written, or was not; not when the session has ended
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
