package record

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
)

// Recorder writes down the runs of fleet's units on some hosts. Its methods may be called from several goroutines.
type Recorder struct {
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	mu        sync.Mutex
	followers []*follower
	pauses    []Pause
}

// New returns a Recorder of no hosts yet.
func New(ctx context.Context) *Recorder {
	ctx, stop := context.WithCancel(ctx)
	return &Recorder{ctx: ctx, stop: stop}
}

// Follow writes down what happens on a host from now on, whenever it is on.
func (r *Recorder) Follow(name string, h Host) {
	f := newFollower(name, h)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers = append(r.followers, f)
	r.done.Go(func() { f.run(r.ctx) })
}

// Close ends the recording; what was written down stays.
func (r *Recorder) Close() {
	r.stop()
	r.done.Wait()
}

// Paused writes down that a whole host stands still, or no longer does.
func (r *Recorder) Paused(host string, paused bool, at Moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if paused {
		r.pauses = append(r.pauses, Pause{Host: host, From: at})
		return
	}
	for i := range r.pauses {
		if r.pauses[i].Host == host && r.pauses[i].To == 0 {
			r.pauses[i].To = at
		}
	}
}

// Pauses returns the times in which hosts stood still.
func (r *Recorder) Pauses() []Pause {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pauses)
}

// Flush waits until everything that has happened is written down.
func (r *Recorder) Flush(ctx context.Context) error {
	var problems []error
	for _, f := range r.all() {
		problems = append(problems, f.flush(ctx))
	}
	return errors.Join(problems...)
}

// Runs returns the runs that had not ended at that moment or began after it, by their start.
func (r *Recorder) Runs(since Moment) []Run {
	var all []Run
	for _, f := range r.all() {
		all = append(all, f.runs()...)
	}
	all = slices.DeleteFunc(all, func(run Run) bool { return run.End != 0 && run.End < since })
	slices.SortFunc(all, func(a, b Run) int { return cmp.Compare(a.Start, b.Start) })
	return all
}

// Heard returns when a host was listened to: what began and ended between two of these times is not written down.
func (r *Recorder) Heard(host string) []Span {
	for _, f := range r.all() {
		if f.name == host {
			f.mu.Lock()
			defer f.mu.Unlock()
			return slices.Clone(f.heard)
		}
	}
	return nil
}

func (r *Recorder) all() []*follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.followers)
}
