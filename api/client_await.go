package api

import (
	"context"
	"errors"

	"fleet/cluster"
	"fleet/unit"
)

// errAwaited ends an event stream that has told what was waited for.
var errAwaited = errors.New("awaited")

// Await blocks until the cluster is done with the request for a unit that was answered with this
// generation, or with a later one, and returns the unit as it is then. How it ended its Outcome tells: done,
// failed, or nowhere, which may still change when machines come or go. A unit that was destroyed is Absent,
// and its last copy has stopped.
//
// It waits on the event stream and does not poll. Ask the server that answered the
// request; another one may not know of it yet. If the stream breaks it returns the error, ErrStreamEnded
// if the server ended it, and may be called again.
func (c *Client) Await(ctx context.Context, name unit.Name, generation int64) (Unit, error) {
	var last Unit
	err := c.Events(ctx, EventsOptions{Units: []unit.Name{name}}, func(e Event) error {
		if e.Type != EventUnit || e.Unit == nil || e.Unit.Name != name {
			return nil
		}
		last = *e.Unit
		known := last.Absent || last.Generation >= generation
		if known && last.Outcome != nil && last.Outcome.Phase != cluster.Working {
			return errAwaited
		}
		return nil
	})
	if errors.Is(err, errAwaited) {
		err = nil
	}
	return last, err
}
