package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"fleet/unit"
)

// EventsOptions select what an event stream tells of.
type EventsOptions struct {
	Units    []unit.Name // none: all units
	Machines bool        // machines too
}

// silence is how long a stream may say nothing before it is given up: several
// times the server's ping interval.
const silence = 4 * pingInterval

// Events opens the event stream and hands every event to fn, pings excepted:
// first the present state of everything selected, then EventSync, then
// every change. When fn is slow, changes in between are left out; the newest is always told.
//
// It blocks until fn returns an error, which it returns as it is, until ctx
// ends, or until the stream does: ErrStreamEnded if the server said so.
func (c *Client) Events(ctx context.Context, o EventsOptions, fn func(Event) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	query := url.Values{}
	for _, name := range o.Units {
		query.Add("unitName", string(name))
	}
	if o.Machines {
		query.Set("machines", strconv.FormatBool(true))
	}
	watchdog := time.AfterFunc(silence, func() {
		cancel(fmt.Errorf("the event stream was silent for %s", silence))
	})
	defer watchdog.Stop()

	resp, err := c.send(ctx, request{method: http.MethodGet, path: "events", query: query})
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return c.failed(ctx, err)
		}
		return answerError(resp, body)
	}
	decoder := json.NewDecoder(resp.Body)
	for {
		watchdog.Reset(silence)
		var e Event
		if err := decoder.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the connection was closed")
			}
			return c.failed(ctx, fmt.Errorf("read the event stream: %w", err))
		}
		watchdog.Stop()
		switch e.Type {
		case EventPing:
		case EventEnd:
			return fmt.Errorf("%w: %s", ErrStreamEnded, e.Message)
		default:
			if err := fn(e); err != nil {
				return err
			}
		}
	}
}
