package agent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"fleet/agent/reconcile"
	"fleet/unit"
)

// readTimeout bounds one reading of files and states.
const readTimeout = time.Minute

// request is what has to be read from systemd next.
type request struct {
	names
	files bool                           // the list of files as well; all includes it
	late  bool                           // reading all has been put off once
	ended map[unit.Name]reconcile.Result // steps that count when the unit's state has been read
}

func (r *request) empty() bool { return !r.all && !r.files && len(r.set) == 0 }

// take returns what to read now, and leaves the rest. Every reload makes
// systemd ring for all units; a unit that has just been loaded does not wait
// for the others to be read before it is started.
func (r *request) take() request {
	now := *r
	*r = request{}
	if now.all && !now.late && len(now.ended) > 0 {
		now.all = false
		r.all, r.late = true, true
	}
	return now
}

// merge puts back what could not be read.
func (r *request) merge(old request) {
	r.all = r.all || old.all
	r.files = r.files || old.files
	for name := range old.set {
		r.add(name)
	}
	for name, result := range old.ended {
		r.end(name, result)
	}
}

func (r *request) end(name unit.Name, result reconcile.Result) {
	if r.ended == nil {
		r.ended = make(map[unit.Name]reconcile.Result)
	}
	r.ended[name] = result
	r.add(name)
}

// ending is a step with how it ended.
type ending struct {
	step   reconcile.Step
	result reconcile.Result
}

// ended has the units' states read; only then do their steps count. files
// tells that the list of files may be another than the steps should have made it.
func (a *Agent) ended(files bool, endings ...ending) {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	b.request.files = b.request.files || files
	for _, e := range endings {
		b.request.end(e.step.Unit, e.result)
	}
	a.look.ring()
}

// listen passes on what systemd rings about.
func (a *Agent) listen(ctx context.Context) {
	trouble := streak{log: a.log, doing: "listen to systemd", longest: 10 * time.Second}
	for {
		rung, all, err := a.sd.Wait(ctx)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			all = true // something may have been missed
			if !sleep(ctx, trouble.failed(err)) {
				return
			}
		} else {
			trouble.over()
		}
		a.rung(rung, all)
	}
}

func (a *Agent) rung(rung []unit.Name, all bool) {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	b.request.all = b.request.all || all
	for _, name := range rung {
		if b.ours(name) || a.isFence(name) {
			b.request.add(name)
		}
	}
	if !b.request.empty() {
		a.look.ring()
	}
}

// read is the only goroutine that reads files and states: what it writes on
// the board is never older than what it wrote before.
func (a *Agent) read(ctx context.Context) {
	trouble := streak{log: a.log, doing: "read unit states", longest: 10 * time.Second}
	a.look.ring()
	for a.look.wait(ctx) {
		err := a.readOnce(ctx)
		if err == nil {
			trouble.over()
			continue
		}
		if ctx.Err() != nil || !sleep(ctx, trouble.failed(err)) {
			return
		}
		a.look.ring()
	}
}

func (a *Agent) readOnce(ctx context.Context) error {
	b := &a.board
	b.Lock()
	req := b.request.take()
	b.Unlock()
	if req.empty() {
		return nil
	}
	files, states, err := a.readHost(ctx, req)
	b.Lock()
	defer b.Unlock()
	if !b.request.empty() {
		a.look.ring()
	}
	if err != nil {
		b.request.merge(req)
		return err
	}
	a.learn(req, files, states)
	return nil
}

// readHost reads what was asked for; files is nil if they were not.
func (a *Agent) readHost(ctx context.Context, req request) (map[unit.Name]unit.ContentID, map[unit.Name]unit.State, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	var files map[unit.Name]unit.ContentID
	if req.all || req.files {
		var err error
		if files, err = a.sd.Files(ctx); err != nil {
			return nil, nil, fmt.Errorf("list unit files: %w", err)
		}
		if files == nil {
			files = map[unit.Name]unit.ContentID{}
		}
	}
	wanted := a.wanted(req, files)
	if len(wanted) == 0 {
		return files, nil, nil
	}
	states, err := a.sd.States(ctx, wanted)
	if err != nil {
		return nil, nil, fmt.Errorf("read states of %d units: %w", len(wanted), err)
	}
	return files, states, nil
}

// wanted are the units to read: those asked for, and those whose file turned up.
func (a *Agent) wanted(req request, files map[unit.Name]unit.ContentID) []unit.Name {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	set := make(map[unit.Name]struct{}, len(req.set))
	mark(set, req.set)
	for name := range files {
		if _, read := b.States[name]; req.all || !read {
			set[name] = struct{}{}
		}
	}
	if req.all {
		for _, name := range b.known() {
			set[name] = struct{}{}
		}
	}
	if a.o.Guard != nil && (len(set) > 0 || req.all) {
		set[unit.FenceService] = struct{}{} // read together with the units: see reconcile's observe
	}
	wanted := make([]unit.Name, 0, len(set))
	for name := range set {
		wanted = append(wanted, name)
	}
	slices.Sort(wanted)
	return wanted
}

// learn writes on the board what was read. The caller holds its lock.
func (a *Agent) learn(req request, files map[unit.Name]unit.ContentID, states map[unit.Name]unit.State) {
	b := &a.board
	if files != nil {
		b.relist(files)
	}
	a.learnGuard(states, req.all)
	for name, state := range states {
		if old, read := b.States[name]; !read || !sameState(old, state) {
			b.States[name] = state
			b.fresh.add(name)
		}
	}
	for name, result := range req.ended {
		a.finish(name, result)
	}
	if !b.ready() {
		close(b.seen)
		b.fresh.all = true
	}
	a.wake.ring()
}

// relist takes in the list of files that are on disk.
func (b *board) relist(files map[unit.Name]unit.ContentID) {
	for name, id := range files {
		if b.Files[name] != id {
			b.fresh.add(name)
		}
	}
	for name := range b.Files {
		if _, there := files[name]; !there {
			b.fresh.add(name)
		}
	}
	b.Files = files
}

// finish counts a step, now that its unit's state has been read.
func (a *Agent) finish(name unit.Name, r reconcile.Result) {
	b := &a.board
	step := b.Busy[name]
	b.interrupt(name) // its wait is over; this releases the context
	delete(b.Busy, name)
	delete(b.cancel, name)
	b.fresh.add(name)
	if r.Err == nil && step.Kind == reconcile.Load {
		b.Files[name] = step.Content
	}
	if r.Err == nil && step.Kind == reconcile.Unload {
		delete(b.Files, name)
	}
	a.o.Events.stepped(step.Kind, r)
	before := b.Memory[name]
	after := reconcile.Finish(before, step, r, b.States[name], a.o.Now())
	b.remember(name, after)
	if before != after {
		a.keep.ring()
	}
	switch failure := after.Failure.Error; {
	case r.Interrupted:
		a.log.Info("no longer waiting for "+string(step.Kind), "unit", name)
	case failure == "":
		level := slog.LevelInfo
		if step.Kind == reconcile.Load || step.Kind == reconcile.Grant {
			level = slog.LevelDebug // something else follows
		}
		a.log.Log(context.Background(), level, string(step.Kind)+" ended", "unit", name, "job", r.Job, "state", b.States[name].Active)
	case failure != before.Failure.Error:
		a.log.Warn("cannot "+string(step.Kind)+" unit, trying again", "unit", name, "err", failure)
	}
}

// sameState is == for states that were read at different times.
func sameState(a, b unit.State) bool {
	same := a.Since.Equal(b.Since)
	a.Since, b.Since = time.Time{}, time.Time{}
	return same && a == b
}
