package main

import (
	"context"
	"time"
)

// reopen opens a stream, and opens it again whenever it breaks. stream calls inStep when it
// has told what there is now; an error before that has ever happened is returned, as there
// is probably no cluster at all. Later ones are given to broken, which may end it all with an error of its own.
// It returns nil when ctx ends.
func reopen(ctx context.Context, stream func(ctx context.Context, inStep func()) error, broken func(error) error) error {
	everInStep := false
	backoff := firstBackoff
	for {
		err := stream(ctx, func() {
			everInStep = true
			backoff = firstBackoff
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case !everInStep:
			return err
		}
		if err := broken(err); err != nil {
			return err
		}
		select {
		case <-time.After(backoff):
		case <-ctx.Done():
			return nil
		}
		backoff = min(2*backoff, lastBackoff)
	}
}
