package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"fleet/cluster"
	"fleet/engine/schedule"
)

// Term is the office of a leader: what it reads and writes while it leads.
type Term interface {
	// Follow calls fn with the whole store first, and then with every change of
	// it, until ctx ends or fn fails.
	Follow(ctx context.Context, fn func(cluster.Update) error) error
	// Commit writes a decision in one transaction, only while the term lasts, and
	// returns the store's revision at which it did.
	Commit(ctx context.Context, d cluster.Decision) (int64, error)
	// Overdue returns those of the machines that are present and have not renewed
	// the leases of their sessions for so long that they may be about to be lost.
	Overdue(ctx context.Context, ids []cluster.MachineID) ([]cluster.MachineID, error)
}

// Options are the surroundings of an engine. The zero value works.
type Options struct {
	Logger *slog.Logger     // default: slog.Default()
	Now    func() time.Time // default: time.Now

	// Brain is what decisions depend on beside the facts.
	Brain schedule.Options

	// Patience is until when the units of lost machines wait for these to return: for a leader that has only just
	// returned itself, or heard from the store again. It is asked at every round. Nil, or a time that has passed: they do not wait.
	Patience func() time.Time

	// Space tells how full the store is. It is asked every minute, and every 5 s while more than half of what there may be is
	// taken. Nil: it is of no interest.
	Space func(ctx context.Context) (cluster.Space, error)

	Events Events
}

// Run leads the cluster for one term. It returns nil when ctx ends, and an
// error when a decision could not be written: then the term is over.
func Run(ctx context.Context, t Term, o Options) error {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Events.began(o.Now())
	defer o.Events.ended()
	news := newMailbox(o.Events.queued)
	defer o.Events.queued(0)
	both, bothCtx := errgroup.WithContext(ctx)
	both.Go(func() error {
		if err := t.Follow(bothCtx, func(u cluster.Update) error { return news.put(bothCtx, u) }); err != nil {
			return fmt.Errorf("follow the store: %w", err)
		}
		return errors.New("follow the store: it ended by itself")
	})
	both.Go(func() error { return lead(bothCtx, t, news, o) })
	if o.Space != nil {
		both.Go(func() error { return watchSpace(bothCtx, news, o) })
	}
	err := both.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// lead takes in everything that is new, decides, writes, and sleeps only when there is
// nothing left to write.
func lead(ctx context.Context, t Term, news *mailbox, o Options) error {
	brain := schedule.New(o.Brain)
	placed := make(placements)
	standing := alarms{events: o.Events}
	defer standing.tell(nil)
	without := homeless{events: o.Events}
	defer without.tell(nil)
	var pause time.Duration
	entries := 0 // of the orders that the last round has written
	for {
		if err := news.wait(ctx, pause); err != nil {
			return err
		}
		if err := rest(ctx, entries); err != nil {
			return err
		}
		round, began := Round{}, o.Now()
		updates, space := news.take()
		for _, update := range updates {
			brain.Apply(update)
			round.Orphaned += placed.take(update)
		}
		if space != nil {
			brain.Space(*space)
		}
		steps := decide(ctx, t, brain, o)
		round.Brain = o.Now().Sub(began)
		entries = size(steps)
		standing.tell(brain.Alarms())
		err := write(ctx, t, brain, steps, &round, o.Logger)
		round.Took = o.Now().Sub(began)
		o.Events.decided(round)
		without.tell(brain.Homeless())
		if err != nil {
			return err
		}
		if len(steps) > 0 {
			news.ring() // a decision may lead to another
		}
		pause = 0
		if again := brain.Again(); !again.IsZero() {
			pause = max(again.Sub(o.Now()), time.Millisecond)
		}
	}
}

// An engine that writes rests before it looks again, so that more news come together: a machine's orders are one record,
// and whatever of it changes, the store, the machine and everybody who follows the cluster is sent the whole of it. So each
// order that it contains, changed or not, costs a moment. For a few machines that is next to nothing; where one round has
// concerned most of a thousand, the next one is to have as many units for each as can be.
const (
	entryTime = 60 * time.Microsecond // about what it takes to write 250 bytes, to send them to a few, and to report on them
	longest   = 3 * time.Second
)

func rest(ctx context.Context, entries int) error {
	pause := min(time.Duration(entries)*entryTime, longest)
	if pause < time.Millisecond {
		return nil
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pause):
		return nil
	}
}

// size is how many orders the records have that the steps write.
func size(steps []schedule.Step) int {
	n := 0
	for _, step := range steps {
		for _, orders := range step.Orders {
			n += len(orders.Units)
		}
	}
	return n
}

// write commits the steps of one decision, one after the other.
func write(ctx context.Context, t Term, brain *schedule.State, steps []schedule.Step, round *Round, logger *slog.Logger) error {
	for i, step := range steps {
		revision, err := commit(ctx, t, step, logger)
		if err != nil {
			for _, lost := range steps[i:] {
				round.Failed.count(lost)
			}
			return fmt.Errorf("write a decision: %w", err)
		}
		brain.Committed(step, revision)
		round.wrote(step)
		log(ctx, logger, step, revision)
	}
	return nil
}

func log(ctx context.Context, logger *slog.Logger, step schedule.Step, revision int64) {
	logLosses(ctx, logger, step, revision)
	for _, n := range step.Notes {
		logger.LogAttrs(ctx, slog.LevelInfo, string(n.Action),
			slog.String("unit", string(n.Unit)), slog.String("machine", string(n.Machine)),
			slog.String("reason", n.Reason), slog.Int64("rev", revision))
	}
	if n := len(step.Collect); n > 0 {
		logger.LogAttrs(ctx, slog.LevelInfo, "collect unit files", slog.Int("files", n), slog.Int64("rev", revision))
	}
}
