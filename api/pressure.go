package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"fleet/cluster"
	"fleet/unit"
)

const (
	// storeWrites is how many changes the store is asked for at a time, whoever wants them. The others wait, each in its turn: a
	// store that is asked for all of them at once answers none of them in time. It is as many as the registry puts into a few requests.
	storeWrites = 256

	// bodiesHeld is how many of the largest bodies are held in memory, of all requests together. What is more stays with who sends it.
	bodiesHeld = 8

	// refusedFor is what a client is told that comes when there are too many changes under way.
	refusedFor = time.Second
)

// pressure bounds what is under way at a time. Who finds it full waits for as long as his request may take; only
// who would have to wait behind Limits.Writes others is refused.
type pressure struct {
	writes  atomic.Int64 // requests that change something
	storing atomic.Int64 // changes that the store is asked for
	store   *semaphore.Weighted
	held    atomic.Int64 // bytes of bodies
	most    int64        // of those
	bodies  *semaphore.Weighted
}

func newPressure(l Limits) *pressure {
	most := bodiesHeld * int64(l.many().bytes)
	return &pressure{store: semaphore.NewWeighted(storeWrites), most: most, bodies: semaphore.NewWeighted(most)}
}

// bounded is a handler of requests that change something.
func (s *Server) bounded(handle handler) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		defer s.pressure.writes.Add(-1)
		if limit := int64(s.o.Limits.Writes); s.pressure.writes.Add(1) > limit {
			w.Header().Set("Retry-After", strconv.Itoa(int(refusedFor/time.Second)))
			return &Error{
				http.StatusTooManyRequests,
				fmt.Sprintf("nothing was changed: as many requests that change something are under way as the limit allows, %d (api_max_writes of fleetd); try again in a moment", limit),
			}
		}
		return handle(w, r)
	}
}

// slowed is the store, which is asked for so many changes at a time and for no more.
type slowed struct {
	Store
	s *Server
}

// turn waits until it is the caller's turn.
func (x slowed) turn(ctx context.Context) (done func(), err error) {
	p := x.s.pressure
	if p.store.Acquire(ctx, 1) != nil {
		return nil, x.s.errNotBegun()
	}
	p.storing.Add(1)
	return func() {
		p.storing.Add(-1)
		p.store.Release(1)
	}, nil
}

// UpdateUnit implements Store.
func (x slowed) UpdateUnit(ctx context.Context, name unit.Name, change func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	done, err := x.turn(ctx)
	if err != nil {
		return cluster.Unit{}, err
	}
	defer done()
	return x.Store.UpdateUnit(ctx, name, change)
}

// UpdateSettings implements Store.
func (x slowed) UpdateSettings(ctx context.Context, id cluster.MachineID, change func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	done, err := x.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	return x.Store.UpdateSettings(ctx, id, change)
}

// Acknowledge implements Store.
func (x slowed) Acknowledge(ctx context.Context, name cluster.AlarmName, since time.Time) (int64, error) {
	done, err := x.turn(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	return x.Store.Acknowledge(ctx, name, since)
}

// load is what one request has in memory of its body. It belongs to the goroutine of the request.
type load struct {
	pressure *pressure
	bytes    int64
}

type loadKey struct{}

// take waits until there is room for so many bytes.
func (l *load) take(ctx context.Context, bytes int64) error {
	if err := l.pressure.bodies.Acquire(ctx, bytes); err != nil {
		return err
	}
	l.bytes += bytes
	l.pressure.held.Add(bytes)
	return nil
}

// keep gives back what is more than so many bytes.
func (l *load) keep(bytes int64) {
	if over := l.bytes - bytes; over > 0 {
		l.bytes = bytes
		l.pressure.held.Add(-over)
		l.pressure.bodies.Release(over)
	}
}

func (f *fileViews) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.views)
}

func (p *peers) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.clients)
}

// size is how many revisions there are, and for all of them how many former states of units and lines in order.
func (l *pasts) size() (revisions, units, rows int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.all {
		units += len(p.units)
		for _, sorted := range p.sorted {
			rows += len(sorted)
		}
	}
	return len(l.all), units, rows
}
