package customer

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// retry is between two tries of one request.
const retry = 20 * time.Millisecond

// Customer asks for things. Its methods are for one goroutine.
type Customer struct {
	Name    unit.Name
	Text    func(version int) string // the unit's file
	Random  *rand.Rand
	Clients []*api.Client

	Version int                  // of the file that was asked for last
	Desired cluster.DesiredState // asked for last; empty: destroyed
	History []string             // what was asked for, and when
}

// Ask asks for something until it is granted. An answer that refuses for good is an error.
func (c *Customer) Ask(ctx context.Context) error {
	switch dice := c.Random.IntN(10); {
	case c.Desired == "" || dice < 2:
		return c.Launch(ctx)
	case dice < 4:
		return c.Destroy(ctx)
	case dice < 5 && c.Desired == cluster.Launched:
		return c.until(ctx, "restart", func(a *api.Client) error { _, err := a.Restart(ctx, c.Name); return err })
	}
	states := []cluster.DesiredState{cluster.Inactive, cluster.Loaded, cluster.Launched, cluster.Launched}
	c.Desired = states[c.Random.IntN(len(states))]
	return c.until(ctx, string(c.Desired), func(a *api.Client) error { _, err := a.SetDesired(ctx, c.Name, c.Desired); return err })
}

// Launch asks for the next version of the file to run.
func (c *Customer) Launch(ctx context.Context) error {
	c.Version++
	c.Desired = cluster.Launched
	return c.until(ctx, fmt.Sprintf("put version %d", c.Version), func(a *api.Client) error {
		_, err := a.PutFile(ctx, c.Name, []byte(c.Text(c.Version)), api.PutFileOptions{Desired: cluster.Launched})
		return err
	})
}

// Destroy asks for there to be nothing of the unit.
func (c *Customer) Destroy(ctx context.Context) error {
	c.Desired = ""
	return c.until(ctx, "destroy", func(a *api.Client) error {
		_, err := a.Destroy(ctx, c.Name)
		if errors.Is(err, api.ErrNotFound) {
			return nil // an earlier try was carried out without an answer
		}
		return err
	})
}

func (c *Customer) until(ctx context.Context, what string, request func(*api.Client) error) error {
	for {
		err := request(c.Clients[c.Random.IntN(len(c.Clients))])
		var answer *api.Error
		if errors.As(err, &answer) && answer.Code/100 == 4 {
			return fmt.Errorf("%s %s after %v: %w", what, c.Name, c.History, err)
		}
		if err == nil {
			c.History = append(c.History, time.Now().Format("05.000 ")+what)
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(retry):
		}
	}
}

// Settled tells whether the unit is as was asked for last, and on no machine more than it should be.
func (c *Customer) Settled(u api.Unit) bool {
	if c.Desired == "" {
		return u.Absent && len(u.Copies) == 0
	}
	if u.Absent || u.Outcome == nil || u.Outcome.Phase != cluster.Done {
		return false
	}
	if c.Desired == cluster.Inactive {
		return len(u.Copies) == 0
	}
	if len(u.Copies) != 1 {
		return false
	}
	copy := u.Copies[0]
	if !copy.Ordered || copy.Presence != cluster.Present {
		return false
	}
	if c.Desired == cluster.Loaded {
		return copy.Active == "inactive" || copy.Active == "failed"
	}
	return copy.Active == "active" && copy.Job == ""
}
