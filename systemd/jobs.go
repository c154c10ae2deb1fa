package systemd

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"fleet/unit"
)

// maxJobs is how many jobs may be queued or running at once. For each, systemd
// watches the bus name that asked for it, with a match rule; dbus-daemon allows
// it 512 of them, and systemd leaves the bus when it is denied one.
const maxJobs = 384

// jobs matches the results that systemd signals with the callers who wait
// for them. The signal may overtake the caller that has just learned the
// job's number, so results are kept while any number is still to be learned.
type jobs struct {
	room chan struct{} // one element for each call whose job is not over

	mu struct {
		sync.Mutex
		learning int
		early    map[uint32]string
		queued   map[uint32]*queued
		lost     bool
	}
}

// queued is a job of systemd's that is not over. Calls that systemd merged
// into one job share it.
type queued struct {
	calls   int
	waiting []chan string // capacity 1; closed without a result if the connection is lost
}

func newJobs() *jobs {
	j := &jobs{room: make(chan struct{}, maxJobs)}
	j.mu.early = map[uint32]string{}
	j.mu.queued = map[uint32]*queued{}
	return j
}

// queue runs start, which queues a job and returns its number, and returns
// the channel of the job's result.
func (j *jobs) queue(ctx context.Context, start func() (int, error)) (id uint32, result chan string, err error) {
	select {
	case j.room <- struct{}{}:
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
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
		<-j.room
		return 0, nil, err
	}
	id = uint32(num)
	result = make(chan string, 1)
	if r, ok := j.mu.early[id]; ok {
		<-j.room
		result <- r
		return id, result, nil
	}
	if j.mu.lost {
		<-j.room
		close(result)
		return id, result, nil
	}
	q := j.mu.queued[id]
	if q == nil {
		q = &queued{}
		j.mu.queued[id] = q
	}
	q.calls++
	q.waiting = append(q.waiting, result)
	return id, result, nil
}

func (j *jobs) done(id uint32, result string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.learning > 0 {
		j.mu.early[id] = result
	}
	q := j.mu.queued[id]
	if q == nil {
		return
	}
	delete(j.mu.queued, id)
	for _, ch := range q.waiting {
		ch <- result
	}
	for range q.calls {
		<-j.room
	}
}

// leave drops one waiting caller. Its job goes on, and keeps its room.
func (j *jobs) leave(id uint32, result chan string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if q := j.mu.queued[id]; q != nil {
		q.waiting = slices.DeleteFunc(q.waiting, func(ch chan string) bool { return ch == result })
	}
}

// abandon ends all waiting: the connection is gone.
func (j *jobs) abandon() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mu.lost = true
	for id, q := range j.mu.queued {
		delete(j.mu.queued, id)
		for _, ch := range q.waiting {
			close(ch)
		}
		for range q.calls {
			<-j.room
		}
	}
}

// Start starts the unit, and waits for the result of systemd's job.
// When ctx ends the job goes on.
func (m *Manager) Start(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, callStart, n, func(s *session) (int, error) {
		return s.sd.StartUnitContext(ctx, string(n), "replace", nil)
	})
}

// Stop stops the unit, and waits for the result of systemd's job.
// When ctx ends the job goes on. Stopping a unit that systemd does not know is done.
func (m *Manager) Stop(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	r, err := m.job(ctx, callStop, n, func(s *session) (int, error) {
		return s.sd.StopUnitContext(ctx, string(n), m.stopMode(), nil)
	})
	if dbusName(err) == noSuchUnit {
		return unit.JobDone, nil
	}
	return r, err
}

// Restart stops the unit if it runs, starts it, and waits for the result of
// systemd's job. When ctx ends the job goes on.
func (m *Manager) Restart(ctx context.Context, n unit.Name) (unit.JobResult, error) {
	return m.job(ctx, callRestart, n, func(s *session) (int, error) {
		return s.sd.RestartUnitContext(ctx, string(n), "replace", nil)
	})
}

func (m *Manager) job(ctx context.Context, verb Call, n unit.Name, queue func(*session) (int, error)) (unit.JobResult, error) {
	s, err := m.connected(ctx)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", verb, n, err)
	}
	began := time.Now()
	id, result, err := s.jobs.queue(ctx, func() (num int, err error) {
		err = s.do(ctx, verb, func() (err error) {
			num, err = queue(s)
			return err
		})
		return num, err
	})
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", verb, n, err)
	}
	select {
	case r, ok := <-result:
		if !ok {
			return "", fmt.Errorf("%s %s: wait for job %d: %w", verb, n, id, ErrConnection)
		}
		m.events.job(verb, began, unit.JobResult(r))
		return unit.JobResult(r), nil
	case <-ctx.Done():
		s.jobs.leave(id, result)
		return "", fmt.Errorf("%s %s: wait for job %d: %w", verb, n, id, ctx.Err())
	}
}
