package hollow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"fleet/cluster"
	"fleet/engine"
	"fleet/registry"
)

// PartCost is what a part of fleetd costs that knows the whole cluster.
type PartCost struct {
	Took   time.Duration // until it had read everything, and decided or shown it
	CPU    time.Duration // of that
	Heap   int64         // bytes of live memory then
	Memory int64         // bytes that were resident then
	Peak   int64         // most that were before
}

// Engine measures a leader that begins its term in the cluster that is in a store. It decides, and writes nothing. It
// is meant for a process of its own.
func Engine(ctx context.Context, store registry.Store) (PartCost, error) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	began := time.Now()
	decided := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		first := true
		ended <- engine.Run(ctx, &onlooker{registry.New(store, registry.Options{})}, engine.Options{
			Brain: brain,
			Events: engine.Events{Decided: func(engine.Round) {
				if first {
					close(decided)
				}
				first = false
			}},
		})
	}()
	select {
	case <-decided:
	case err := <-ended:
		return PartCost{}, fmt.Errorf("begin a term: %w", err)
	}
	cost, err := partCost(began)
	end()
	return cost, errors.Join(err, <-ended)
}

// onlooker is a term in which nothing is to be written.
type onlooker struct{ *registry.Registry }

// Commit implements engine.Term.
func (onlooker) Commit(context.Context, cluster.Decision) (int64, error) {
	return 0, errors.New("the cluster is not quiet: there was something to decide")
}

// Overdue implements engine.Term.
func (onlooker) Overdue(context.Context, []cluster.MachineID) ([]cluster.MachineID, error) {
	return nil, nil
}

// API measures a server of the API that begins in the cluster that is in a store. It is meant for a process of its own.
func API(ctx context.Context, store registry.Store) (PartCost, error) {
	began := time.Now()
	f, err := newFront(ctx, store)
	if err != nil {
		return PartCost{}, err
	}
	cost, err := partCost(began)
	return cost, errors.Join(err, f.close())
}

// partCost is what this process has cost since it began.
func partCost(began time.Time) (PartCost, error) {
	took := time.Since(began)
	before, err := OwnCost()
	if err != nil {
		return PartCost{}, err
	}
	debug.FreeOSMemory()
	after, err := OwnCost()
	if err != nil {
		return PartCost{}, err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return PartCost{Took: took, CPU: before.CPU, Heap: int64(m.HeapAlloc), Memory: after.Memory, Peak: after.Peak}, nil
}
