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
	server *Server

	mu     sync.Mutex
	cut    bool
	mute   bool
	healed chan struct{} // closed by Heal; a new one with every Cut
}

var _ registry.Store = (*Client)(nil)

// Cut severs the connection: calls wait until it is healed, they time out
// or their context ends, without having been carried out; watches hear nothing.
func (c *Client) Cut() { c.sever(true) }

// CutReplies severs only the way back: calls are carried out, but their
// callers never learn of it.
func (c *Client) CutReplies() { c.sever(false) }

func (c *Client) sever(both bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut && !c.mute {
		c.healed = make(chan struct{})
	}
	c.cut, c.mute = both, !both
}

// Heal mends the connection. Watches catch up with all they have missed.
func (c *Client) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.cut && !c.mute {
		return
	}
	c.cut, c.mute = false, false
	close(c.healed)
}

// Range implements registry.Store.
func (c *Client) Range(ctx context.Context, q registry.Query) (registry.Page, error) {
	return call(ctx, c, "range", func() (registry.Page, error) { return c.server.rangeKeys(q) })
}

// Txn implements registry.Store.
func (c *Client) Txn(ctx context.Context, t registry.Txn) (registry.Outcome, error) {
	return call(ctx, c, "transaction", func() (registry.Outcome, error) { return c.server.txn(t) })
}

// Grant implements registry.Store.
func (c *Client) Grant(ctx context.Context, ttl time.Duration) (int64, error) {
	return call(ctx, c, "grant lease", func() (int64, error) { return c.server.grant(ttl) })
}

// KeepAlive implements registry.Store.
func (c *Client) KeepAlive(ctx context.Context, lease int64) error {
	_, err := call(ctx, c, "renew lease", func() (struct{}, error) { return struct{}{}, c.server.keepAlive(lease) })
	return err
}

// TimeToLive implements registry.Store.
func (c *Client) TimeToLive(ctx context.Context, lease int64) (time.Duration, error) {
	return call(ctx, c, "ask for lease", func() (time.Duration, error) { return c.server.timeToLive(lease) })
}

// Revoke implements registry.Store.
func (c *Client) Revoke(ctx context.Context, lease int64) error {
	_, err := call(ctx, c, "revoke lease", func() (struct{}, error) { return struct{}{}, c.server.revoke(lease) })
	return err
}

// Watch implements registry.Store. fn runs on the caller's goroutine.
func (c *Client) Watch(ctx context.Context, keys registry.Keys, from int64, fn func(registry.Batch) error) error {
	w := c.server.watch(keys)
	defer c.server.unwatch(w)
	for {
		if err := c.reach(ctx, false); err != nil {
			return err
		}
		batches, next, err := c.server.fetch(w, from)
		if err != nil {
			return err
		}
		from = next
		for _, b := range batches {
			if err := c.reach(ctx, false); err != nil {
				return err
			}
			if err := fn(b); err != nil {
				return err
			}
		}
		select {
		case <-w.bell:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// reach waits until the server can be reached by a request or, for a watch, can be heard.
func (c *Client) reach(ctx context.Context, request bool) error {
	for {
		c.mu.Lock()
		severed, healed := c.cut || (c.mute && !request), c.healed
		c.mu.Unlock()
		if !severed {
			return ctx.Err()
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (c *Client) muted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mute
}

// call carries out one request under the faults of the connection.
func call[T any](ctx context.Context, c *Client, what string, do func() (T, error)) (T, error) {
	limited, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	var none T
	if err := c.reach(limited, true); err != nil {
		return none, unanswered(ctx, what)
	}
	v, err := do()
	if c.muted() {
		<-limited.Done() // what is lost stays lost, also if the connection heals
		return none, unanswered(ctx, what)
	}
	return v, err
}

// unanswered is the error of a call whose caller gave up, or that timed out.
func unanswered(ctx context.Context, what string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w: %w", what, cluster.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w within %s", what, cluster.ErrUnavailable, requestTimeout)
}
