package agent

import (
	"context"
	"time"

	"fleet/unit"
)

const (
	logLines   = 10
	maxLine    = 256 // bytes of a log line
	logTimeout = 2 * time.Second
)

// excerpt is the end of what a failed unit logged.
type excerpt struct {
	of      failing
	reading bool
	lines   []string
}

// failing identifies one failure of a unit.
type failing struct {
	invocation string
	since      time.Time
	job        unit.JobResult
	content    unit.ContentID // of a unit that did not run: its file, and the request that was tried in vain
	tried      int64
}

// excerpt sees to it that the log of a unit that failed is read, once, and
// dropped when the unit is well again. It returns false while the log is being
// read: a failure is shown together with its log, or without it if the journal
// takes too long. The caller holds the board's lock.
func (a *Agent) excerpt(ctx context.Context, name unit.Name) (complete bool) {
	b := &a.board
	state, memory := b.States[name], b.Memory[name]
	jobFailed := memory.Job != "" && memory.Job != unit.JobDone && !state.Running()
	unusable := state.Load == "bad-setting" || state.Load == "error"
	if state.Active != "failed" && !jobFailed && !unusable {
		delete(b.logs, name)
		return true
	}
	of := failing{invocation: state.InvocationID, since: state.Since.Round(0).UTC(), job: memory.Job}
	if state.InvocationID == "" || unusable {
		of.content, of.tried = b.Files[name], memory.Tried
	}
	if e, ok := b.logs[name]; ok && e.of == of {
		return !e.reading
	}
	if !b.ours(name) {
		return true
	}
	b.logs[name] = excerpt{of: of, reading: true}
	a.steps.Go(func() { a.readLog(ctx, name, of) })
	return false
}

func (a *Agent) readLog(ctx context.Context, name unit.Name, of failing) {
	ctx, cancel := context.WithTimeout(ctx, logTimeout)
	defer cancel()
	lines, err := a.sd.Logs(ctx, name, logLines)
	if err != nil {
		a.log.Warn("cannot read the log of a failed unit", "unit", name, "err", err)
	}
	for i := range lines {
		lines[i] = shorten(lines[i], maxLine)
	}
	b := &a.board
	b.Lock()
	defer b.Unlock()
	if e, ok := b.logs[name]; ok && e.of == of {
		b.logs[name] = excerpt{of: of, lines: lines}
		b.fresh.add(name)
		a.wake.ring()
	}
}
