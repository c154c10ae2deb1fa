package agent

import (
	"context"
	"time"
)

// bell wakes one goroutine. Rings that nobody has heard yet are one ring.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default:
	}
}

// wait returns false when ctx has ended.
func (b bell) wait(ctx context.Context) bool {
	select {
	case <-b:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// waitUntil is wait that also ends at a time, which is later than now, unless the time is zero.
func (b bell) waitUntil(ctx context.Context, at, now time.Time) bool {
	if at.IsZero() {
		return b.wait(ctx)
	}
	return b.waitFor(ctx, at.Sub(now))
}

// waitFor is wait that also ends after d.
func (b bell) waitFor(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-b:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// sleep returns false when ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool { return bell(nil).waitFor(ctx, d) }
