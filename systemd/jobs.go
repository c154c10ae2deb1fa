package systemd

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"fleet/unit"
)

// jobs matches the results that systemd signals with the callers who wait
// for them. The signal may overtake the caller that has just learned the
// job's number, so results are kept while any number is still to be learned.
type jobs struct {
	mu struct {
		sync.Mutex
		learning int
		early    map[uint32]string
		waiting  map[uint32][]chan string // capacity 1; closed without a result if the connection is lost
		lost     bool
	}
}

func newJobs() *jobs {
	j := &jobs{}
	j.mu.early = map[uint32]string{}
	j.mu.waiting = map[uint32][]chan string{}
	return j
}

// queue runs start, which queues a job and returns its number, and returns
// the channel of the job's result.
func (j *jobs) queue(start func() (int, error)) (id uint32, result chan string, err error) {
	j.mu.Lock()
	j.mu.learning++
	j.mu.Unlock()
	num, err := start()
	j.mu.Lock()
	defer j.mu.Unlock()
	defer func() {
		j.mu.learning--
		if j.mu.learning == 0 {
			clear(j.mu.early)
		}
	}()
	if err != nil {
		return 0, nil, err
	}
	id = uint32(num)
	ch := make(chan string, 1)
	if r, ok := j.mu.early[id]; ok {
		ch <- r
		return id, ch, nil
	}
	if j.mu.lost {
		close(ch)
		return id, ch, nil
	}
	j.mu.waiting[id] = append(j.mu.waiting[id], ch)
	return id, ch, nil
}

func (j *jobs) done(id uint32, result string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.learning > 0 {
		j.mu.early[id] = result
	}
	for _, ch := range j.mu.waiting[id] {
		ch <- result
	}
	delete(j.mu.waiting, id)
}

// leave drops one waiting caller.
func (j *jobs) leave(id uint32, result chan string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := slices.DeleteFunc(j.mu.waiting[id], func(ch chan string) bool { return ch == result })
	if len(kept) == 0 {
		delete(j.mu.waiting, id)
		return
	}
	j.mu.waiting[id] = kept
}

// abandon ends all waiting: the connection is gone.
func (j *jobs) abandon() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.lost = true
	for id, waiting := range j.mu.waiting {
		for _, ch := range waiting {
			close(ch)
		}
		delete(j.mu.waiting, id)
	}
}

// Start starts the unit, and waits for the result of systemd's job.
// When ctx ends the job goes on.
func (m *Manager) Start(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, "start", n, func(s *session) (int, error) {
		return s.sd.StartUnitContext(ctx, string(n), "replace", nil)
	})
}

// Stop stops the unit, and waits for the result of systemd's job.
// When ctx ends the job goes on. Stopping a unit that systemd does not know is done.
func (m *Manager) Stop(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	r, err := m.job(ctx, "stop", n, func(s *session) (int, error) {
		return s.sd.StopUnitContext(ctx, string(n), "replace", nil)
	})
	if dbusName(err) == noSuchUnit {
		return unit.JobDone, nil
	}
	return r, err
}

// Restart stops the unit if it runs, starts it, and waits for the result of
// systemd's job. When ctx ends the job goes on.
func (m *Manager) Restart(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, "restart", n, func(s *session) (int, error) {
		return s.sd.RestartUnitContext(ctx, string(n), "replace", nil)
	})
}

func (m *Manager) job(ctx context.Context, verb string, n unit.Name, queue func(*session) (int, error)) (unit.JobResult, error) {
	s, err := m.connected(ctx)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", verb, n, err)
	}
	id, result, err := s.jobs.queue(func() (int, error) { return queue(s) })
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", verb, n, s.wrap(ctx, err))
	}
	select {
	case r, ok := <-result:
		if !ok {
			return "", fmt.Errorf("%s %s: wait for job %d: %w", verb, n, id, ErrConnection)
		}
		return unit.JobResult(r), nil
	case <-ctx.Done():
		s.jobs.leave(id, result)
		return "", fmt.Errorf("%s %s: wait for job %d: %w", verb, n, id, ctx.Err())
	}
}
