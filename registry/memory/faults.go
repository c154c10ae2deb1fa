package memory

import (
	"context"
	"errors"
	"time"
)

// faults are what is wrong with a connection, or with the process at its end.
type faults struct {
	cut   bool
	mute  bool
	slow  time.Duration
	trap  *trap
	died  bool
	state chan struct{} // closed and replaced when cut or mute end

	resumed chan struct{} // closed when a stopped process goes on; nil if it is not stopped
}

// trap lets a process die at one of its writes.
type trap struct {
	writes   int // from now on
	answered bool
	fn       func()
}

// Cut severs the connection: calls wait until it is healed, they time out
// or their context ends, without having been carried out; watches hear nothing.
func (c *Client) Cut() { c.sever(true) }

// CutReplies severs only the way back: calls are carried out, but their
// callers never learn of it.
func (c *Client) CutReplies() { c.sever(false) }

func (c *Client) sever(both bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.faults.cut && !c.faults.mute {
		c.faults.state = make(chan struct{})
	}
	c.faults.cut, c.faults.mute = both, !both
}

// Heal mends the connection. Watches catch up with all they have missed.
func (c *Client) Heal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.died || !c.faults.cut && !c.faults.mute {
		return
	}
	c.faults.cut, c.faults.mute = false, false
	close(c.faults.state)
}

// Slow has every request take so long until it is carried out, its answer as long, and changes that are
// watched too. Who gives up does not stop its request. Zero ends it for requests to come.
func (c *Client) Slow(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.slow = d
}

// Pause stops the process that uses the connection, as SIGSTOP would: of what it is about to ask nothing is
// carried out, and what it waits for does not reach it, however long that takes. Continue ends it.
func (c *Client) Pause() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.resumed == nil {
		c.faults.resumed = make(chan struct{})
	}
}

// Continue is the end of Pause.
func (c *Client) Continue() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.faults.resumed != nil {
		close(c.faults.resumed)
		c.faults.resumed = nil
	}
}

// Kill severs the connection for ever, of a process that is not there any more.
func (c *Client) Kill() {
	c.Cut()
	c.mu.Lock()
	c.faults.died = true
	c.mu.Unlock()
	c.Continue()
}

// Trap calls fn, on a goroutine of its own, when the connection is used for the next write but so many
// others, and severs it for ever. With carriedOut that write takes place first, and is not answered.
func (c *Client) Trap(others int, carriedOut bool, fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults.trap = &trap{others, carriedOut, fn}
}

var errDead = errors.New("its process has died")

// trapped is a write that may be the trap's.
func trapped[T any](c *Client, do func() (T, error)) func() (T, error) {
	return func() (T, error) {
		c.mu.Lock()
		t := c.faults.trap
		if t == nil || t.writes > 0 {
			if t != nil {
				t.writes--
			}
			c.mu.Unlock()
			return do()
		}
		c.faults.trap = nil
		c.mu.Unlock()
		var none T
		if t.answered {
			_, _ = do()
		}
		c.Kill()
		go t.fn()
		return none, errDead
	}
}

// direction is what a connection is used for.
type direction int

const (
	asking  direction = iota // a request goes to the server
	hearing                  // something comes back from it
)

// reach waits until the server can be reached or heard.
func (c *Client) reach(ctx context.Context, d direction) error {
	for {
		c.stopped()
		c.mu.Lock()
		severed, healed := c.faults.cut || (c.faults.mute && d == hearing), c.faults.state
		c.mu.Unlock()
		if !severed {
			if severed, healed = c.server.outage(); !severed || c.console {
				return ctx.Err()
			}
		}
		select {
		case <-healed:
		case <-ctx.Done():
			c.stopped()
			return ctx.Err()
		}
	}
}

// stopped returns when the process is not stopped. No context ends it: nothing happens in a stopped process.
func (c *Client) stopped() {
	for {
		c.mu.Lock()
		resumed := c.faults.resumed
		c.mu.Unlock()
		if resumed == nil {
			return
		}
		<-resumed
	}
}

// travel is the time that changes take to arrive.
func (c *Client) travel(ctx context.Context, something bool) error {
	d := c.slowness()
	if d == 0 || !something {
		return nil
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) slowness() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.slow
}

func (c *Client) mute() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.mute || c.faults.cut
}

// Dead tells whether the process was killed.
func (c *Client) Dead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults.died
}
