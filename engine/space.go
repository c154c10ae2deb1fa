package engine

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"fleet/cluster"
	"fleet/engine/schedule"
)

// How often the store is asked how full it is. That is a read: it writes nothing.
const (
	lookAtSpace      = time.Minute
	lookAtSpaceTight = 5 * time.Second // when more than half of what there may be is taken
	tightFrom        = 0.5
)

// watchSpace has the brain know how full the store is. While it is far from full, as it was before, nobody is woken up.
func watchSpace(ctx context.Context, news *mailbox, o Options) error {
	var tight, unknown bool
	for {
		is, err := o.Space(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			if !unknown {
				o.Logger.Warn("cannot find out how full the store is", "err", err)
			}
		default:
			o.Events.space(is)
			now := schedule.Tight(is)
			news.space(is, now || tight)
			tight = now
		}
		unknown = err != nil
		pause := lookAtSpace
		if is.Refuses || is.Taken() >= tightFrom {
			pause = lookAtSpaceTight
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// How long the pause is before a step is tried again that the store has refused.
const (
	commitAgain     = 5 * time.Second // for want of room
	commitAgainBusy = 500 * time.Millisecond
)

// commit writes a step. What a store has refused that is full or has too much to do was not written, so it is tried until it is
// taken in: the term goes on, which would else be followed by others that read everything only to fail likewise.
func commit(ctx context.Context, t Term, step schedule.Step, logger *slog.Logger) (int64, error) {
	for tries := 0; ; tries++ {
		revision, err := t.Commit(ctx, step.Decision)
		pause := commitAgain
		switch {
		case errors.Is(err, cluster.ErrNoSpace):
			if tries == 0 {
				logger.Error("the store is full: no decision can be written until it has room", "err", err)
			}
		case errors.Is(err, cluster.ErrBusy):
			if tries == 0 {
				logger.Warn("the store has too much to do: a decision waits", "err", err)
			}
			pause = commitAgainBusy
		default:
			if tries > 0 && err == nil {
				logger.Info("the store takes decisions again")
			}
			return revision, err
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
