package leaving

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// Records are the cluster's, as package registry keeps them.
type Records interface {
	Follow(ctx context.Context, fn func(cluster.Update) error) error
}

const (
	// calm is how long nothing may be on its way before that is taken for the end: the engine may be about to look again.
	calm = time.Second

	// deaf is how long the cluster may take to notice that the machine is to be emptied, and the store to answer.
	deaf = 10 * time.Second
)

// errDeaf: nobody acts on what this machine asks for.
var errDeaf = fmt.Errorf("the cluster has taken no notice for %s", deaf)

// emptying waits until a machine has nothing left that is on its way elsewhere.
type emptying struct {
	machine cluster.MachineID
	ready   func() error // why the records may be older than they look; nil: they are not
	tell    func(string)

	drained bool      // it was seen to be
	settled bool      // nothing was on its way when it was last seen
	unready time.Time // since when the store has not answered, zero if it does
	left    cluster.Departures
	told    map[unit.Name]bool // those on their way that were told of
}

// wait returns what is left, and cannot leave, when nothing moves any more. The error is errDeaf if nobody drains the machine, or
// ready's if the store has not answered for long.
func (e *emptying) wait(ctx context.Context, records Records) (cluster.Departures, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	departures := make(chan *cluster.Departures)
	followed := make(chan error, 1)
	go func() {
		var all cluster.Snapshot
		followed <- records.Follow(ctx, func(u cluster.Update) error {
			all.Apply(u)
			var now *cluster.Departures // nil: it is not drained
			if m, there := all.Machine(e.machine); there && all.Settings(e.machine).Draining(m) {
				d := all.Draining(e.machine)
				now = &d
			}
			select {
			case departures <- now:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	defer func() {
		cancel()
		<-followed
	}()
	e.told = make(map[unit.Name]bool)
	quiet, look := time.NewTimer(deaf), time.NewTicker(time.Second)
	defer quiet.Stop()
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return e.left, context.Cause(ctx)
		case now := <-departures:
			was := e.settled
			switch e.take(now); {
			case e.settled && !was:
				quiet.Reset(calm)
			case e.drained && !e.settled:
				quiet.Stop()
			}
		case <-look.C:
			if err := e.late(); err != nil {
				return e.left, err
			}
		case <-quiet.C:
			if !e.drained {
				return e.left, errDeaf
			}
			return e.left, nil
		}
	}
}

// late is why it makes no sense to wait any more.
func (e *emptying) late() error {
	err := e.ready()
	switch {
	case err == nil:
		e.unready = time.Time{}
	case e.unready.IsZero():
		e.unready = time.Now()
	case time.Since(e.unready) > deaf:
		return err
	}
	return nil
}

// take takes in how things stand.
func (e *emptying) take(now *cluster.Departures) {
	if now == nil {
		return
	}
	if !e.drained {
		e.drained = true
		e.tell(fmt.Sprintf("%d units are to be handed over", len(now.Moving)))
	}
	for _, name := range slices.Sorted(maps.Keys(e.told)) {
		if _, moving := now.Moving[name]; moving {
			continue
		}
		delete(e.told, name)
		if _, stuck := now.Stuck[name]; !stuck {
			e.tell(fmt.Sprintf("%s has been handed over", name))
		}
	}
	for name := range now.Moving {
		e.told[name] = true
	}
	e.left = *now
	e.settled = len(now.Moving) == 0
}

// stays are the units that do not leave, with the reason, in words.
func stays(d cluster.Departures) []string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(d.Moving)) {
		all = append(all, fmt.Sprintf("%s has not been handed over: %s; it stops with this host", name, d.Moving[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(d.Stuck)) {
		all = append(all, fmt.Sprintf("%s cannot leave: %s; it stops with this host", name, d.Stuck[name]))
	}
	return all
}

// ended tells whether an error is that of a context that has ended.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
