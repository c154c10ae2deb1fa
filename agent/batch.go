package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"fleet/agent/reconcile"
	"fleet/unit"
)

const (
	// gatherFor is how long a batch waits for files that are still being
	// fetched, and for other units that are about to be unloaded.
	gatherFor = 20 * time.Millisecond
	// maxRest bounds how long systemd is left in peace after a load that came right after another, which is as long as that load
	// took: while units come in one after the other, reading all files again for each few of them would take all its time,
	// and that of the host. The first of them are loaded at once, and with the second load all that came during it.
	maxRest = 3 * time.Second
	// liftTimeout bounds one batch. systemd itself gives a reload 90 s.
	liftTimeout = 2 * time.Minute
	// fetchTimeout and maxFetches bound the reading of files from the cluster's store.
	fetchTimeout = 30 * time.Second
	maxFetches   = 16
)

// errNoSession ends the fetch of a file when the session that would have it is over.
var errNoSession = errors.New("the session is over")

// batch gathers loads and unloads: systemd reads all its files anew for each
// of them, and does it once for many at the same price.
type batch struct {
	bell  bell
	slots chan struct{} // one per fetch at work

	// Of lift's goroutine.
	rest time.Time     // no load before that
	took time.Duration // by the last load

	mu struct {
		sync.Mutex
		fetching map[unit.ContentID][]reconcile.Step // who waits for a file
		loads    map[unit.Name][]byte
		steps    map[unit.Name]reconcile.Step // of loads
		unloads  []unit.Name

		lifting  map[unit.Name]reconcile.Step // whose load systemd is at
		triggers map[unit.Name]unit.Name      // what timers, paths and sockets start
		loaded   chan struct{}                // closed when loads or fetches have ended
	}
}

func (q *batch) init() {
	q.bell = newBell()
	q.slots = make(chan struct{}, maxFetches)
	q.mu.fetching = make(map[unit.ContentID][]reconcile.Step)
	q.mu.triggers = make(map[unit.Name]unit.Name)
	q.mu.loaded = make(chan struct{})
	q.reset()
}

func (q *batch) reset() {
	q.mu.loads = make(map[unit.Name][]byte)
	q.mu.steps = make(map[unit.Name]reconcile.Step)
	q.mu.unloads = nil
}

func (q *batch) unload(name unit.Name) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.unloads = append(q.mu.unloads, name)
	q.bell.ring()
}

// awaitTriggered waits while what a timer, a path or a socket starts is being loaded, or ctx ends: systemd refuses to
// start it before. A unit that comes later, or whose load fails, is not waited for.
func (q *batch) awaitTriggered(ctx context.Context, name unit.Name) error {
	for {
		q.mu.Lock()
		triggered, ended := q.mu.triggers[name], q.mu.loaded
		loading := triggered != "" && q.loading(triggered)
		q.mu.Unlock()
		if !loading {
			return ctx.Err()
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loading tells whether a unit's load is under way. The caller holds the lock.
func (q *batch) loading(name unit.Name) bool {
	for _, waiting := range q.mu.fetching {
		for _, step := range waiting {
			if step.Unit == name {
				return true
			}
		}
	}
	_, ready := q.mu.steps[name]
	_, lifting := q.mu.lifting[name]
	return ready || lifting
}

// announce wakes those who wait for loads. The caller holds the lock.
func (q *batch) announce() {
	close(q.mu.loaded)
	q.mu.loaded = make(chan struct{})
}

// fetch gets the file of a unit that is to be loaded. Units with the same file
// share one fetch. The caller holds the board's lock.
func (a *Agent) fetch(ctx context.Context, step reconcile.Step) {
	q, s := &a.batch, a.board.serving
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.mu.fetching[step.Content]
	q.mu.fetching[step.Content] = append(waiting, step)
	if len(waiting) > 0 {
		return
	}
	a.steps.Go(func() {
		q.slots <- struct{}{}
		raw, err := s.file(ctx, step.Content)
		<-q.slots
		a.fetched(step.Content, raw, err)
	})
}

// fetched hands a file to the batch, or its units the error.
func (a *Agent) fetched(id unit.ContentID, raw []byte, err error) {
	q := &a.batch
	var refused []ending
	q.mu.Lock()
	waiting := q.mu.fetching[id]
	delete(q.mu.fetching, id)
	for _, step := range waiting {
		errStep := err
		if err == nil {
			errStep = refuseUnfenced(step, raw)
		} else {
			errStep = fmt.Errorf("fetch the file of %s: %w", step.Unit, err)
		}
		if errStep != nil {
			refused = append(refused, ending{step, reconcile.Result{Err: errStep, Interrupted: errors.Is(err, errNoSession)}})
			continue
		}
		q.mu.loads[step.Unit] = raw
		q.mu.steps[step.Unit] = step
		q.learn(step.Unit, raw)
	}
	q.announce()
	q.mu.Unlock()
	q.bell.ring()
	if len(refused) > 0 {
		a.ended(false, refused...)
	}
}

// learn notes what a unit triggers. The caller holds the lock.
func (q *batch) learn(name unit.Name, raw []byte) {
	delete(q.mu.triggers, name)
	switch name.Type() {
	case unit.Timer, unit.Path, unit.Socket:
		if f, err := unit.Parse(raw); err == nil { // else systemd says what is wrong with it
			q.mu.triggers[name] = f.Triggers(name)
		}
	}
}

// lift carries out batches, one at a time; what comes meanwhile is the next one.
func (a *Agent) lift(ctx context.Context) {
	for a.batch.bell.wait(ctx) {
		if !a.batch.gather(ctx) {
			return
		}
		a.liftOnce(ctx)
	}
}

// gather waits for what is likely to be ready soon, and after a load until systemd has had its rest; units that are to be
// unloaded wait for neither the one nor the other's loads.
func (q *batch) gather(ctx context.Context) bool {
	for until := time.Now().Add(gatherFor); ; {
		now := time.Now()
		q.mu.Lock()
		fetching, loads, unloads := len(q.mu.fetching) > 0, len(q.mu.loads) > 0, len(q.mu.unloads) > 0
		q.mu.Unlock()
		next := until
		if loads && !unloads && !fetching {
			next = q.rest
		} else if loads && !unloads {
			next = later(until, q.rest)
		}
		if !now.Before(next) {
			return true
		}
		if !q.bell.waitFor(ctx, next.Sub(now)) {
			return false
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (a *Agent) liftOnce(ctx context.Context) {
	q := &a.batch
	q.mu.Lock()
	loads, steps, unloads := q.mu.loads, q.mu.steps, q.mu.unloads
	q.reset()
	q.mu.lifting = steps
	for _, name := range unloads {
		delete(q.mu.triggers, name)
	}
	q.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, liftTimeout)
	defer cancel()
	if len(loads) > 0 {
		began := time.Now()
		failed, err := a.sd.Load(ctx, loads)
		now := time.Now()
		inRow := began.Sub(q.rest) < q.took
		q.rest, q.took = now, now.Sub(began)
		if inRow {
			q.rest = now.Add(min(q.took, maxRest))
		}
		q.mu.Lock()
		q.mu.lifting = nil
		q.announce()
		q.mu.Unlock()
		a.lifted(maps.Values(steps), failed, err)
	}
	if len(unloads) > 0 {
		failed, err := a.sd.Unload(ctx, unloads)
		a.lifted(func(yield func(reconcile.Step) bool) {
			for _, name := range unloads {
				if !yield(reconcile.Step{Unit: name, Kind: reconcile.Unload}) {
					return
				}
			}
		}, failed, err)
	}
}

// lifted ends the steps of a batch, each with its own result. After a failure
// the files on disk are listed anew: whether they were written is unknown.
func (a *Agent) lifted(steps func(func(reconcile.Step) bool), failed map[unit.Name]error, err error) {
	var endings []ending
	for step := range steps {
		e := ending{step: step}
		switch {
		case err != nil:
			e.result.Err = err
		case failed[step.Unit] != nil:
			e.result.Err = failed[step.Unit]
		}
		endings = append(endings, e)
	}
	a.ended(err != nil || len(failed) > 0, endings...)
}
