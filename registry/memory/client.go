package memory

import (
	"context"
	"fmt"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/registry"
)

// requestTimeout is how long a call waits for a store that it is cut off from.
const requestTimeout = 3 * time.Second

// Client is one participant's connection to the store. It implements registry.Store.
type Client struct {
	server  *Server
	console bool

	mu     sync.Mutex
	faults faults
}

var _ registry.Store = (*Client)(nil)

// Range implements registry.Store.
func (c *Client) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	return call(ctx, c, "range", func() (registry.Page, error) { return c.server.rangeKeys(q) })
}

// Txn implements registry.Store.
func (c *Client) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	return call(ctx, c, "transaction", trapped(c, func() (registry.Outcome, error) { return c.server.txn(t) }))
}

// Grant implements registry.Store.
func (c *Client) Grant(ctx context.Context, ttl time.Duration) (int64, error) {
	return call(ctx, c, "grant lease", trapped(c, func() (int64, error) { return c.server.grant(ttl) }))
}

// KeepAlive implements registry.Store.
func (c *Client) KeepAlive(ctx context.Context, lease int64) (int64, error) {
	return call(ctx, c, "renew lease", func() (int64, error) { return c.server.keepAlive(lease) })
}

// TimeToLive implements registry.Store.
func (c *Client) TimeToLive(ctx context.Context, lease int64) (left, granted time.Duration, err error) {
	times, err := call(ctx, c, "ask for lease", func() ([2]time.Duration, error) { return c.server.timeToLive(lease) })
	return times[0], times[1], err
}

// Revoke implements registry.Store.
func (c *Client) Revoke(ctx context.Context, lease int64) error {
	_, err := call(ctx, c, "revoke lease", trapped(c, func() (struct{}, error) { return struct{}{}, c.server.revoke(lease) }))
	return err
}

// Watch implements registry.Store. fn runs on the caller's goroutine.
func (c *Client) Watch(ctx context.Context, keys registry.Keys, from int64, fn func(registry.Batch) error) error {
	w := c.server.watch(keys)
	defer c.server.unwatch(w)
	for {
		if err := c.reach(ctx, hearing); err != nil {
			return err
		}
		batches, next, err := c.server.fetch(w, from)
		if err != nil {
			return err
		}
		from = next
		if err := c.travel(ctx, len(batches) > 0); err != nil {
			return err
		}
		for _, b := range batches {
			if err := c.reach(ctx, hearing); err != nil {
				return err
			}
			if err := fn(b); err != nil {
				return err
			}
		}
		select {
		case <-w.bell:
		case <-ctx.Done():
			c.stopped()
			return ctx.Err()
		}
	}
}

// call carries out one request under the faults of the connection.
func call[T any](ctx context.Context, c *Client, what string, do func() (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var none T
	if err := c.reach(limited, asking); err != nil {
		return none, unanswered(ctx, what)
	}
	if d := c.slowness(); d > 0 {
		return slowly(ctx, limited, c, d, what, do)
	}
	v, err := do()
	if c.mute() {
		<-limited.Done() // what is lost stays lost, also if the connection heals
		c.stopped()
		return none, unanswered(ctx, what)
	}
	return v, err
}

// slowly carries out a request that is under way for d, and its answer for as long. A request is
// carried out also if its caller has given up by then.
func slowly[T any](ctx, limited context.Context, c *Client, d time.Duration, what string, do func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	answers := make(chan answer, 1)
	time.AfterFunc(d, func() {
		if c.Dead() {
			return
		}
		v, err := do()
		if !c.mute() {
			time.AfterFunc(d, func() { answers <- answer{v, err} })
		}
	})
	var none T
	select {
	case a := <-answers:
		c.stopped()
		return a.v, a.err
	case <-limited.Done():
		c.stopped()
		return none, unanswered(ctx, what)
	}
}

// unanswered is the error of a call whose caller gave up, or that timed out.
func unanswered(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", what, cluster.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w within %s", what, cluster.ErrUnavailable, requestTimeout)
}
