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

	"fleet/cluster"
	"fleet/unit"
)

// HistoryOptions select what History tells.
type HistoryOptions struct {
	Units    []unit.Name // with Globs, those that either selects; none of both: all units, and machines
	Globs    []unit.Glob
	Machines []cluster.MachineID // what happened there; none: everywhere

	Since     int64     // what was recorded after this revision of the store; 0: everything
	SinceTime time.Time // or what happened from then on
	Newest    int       // of what has happened already at most the newest so many; 0: all
	Follow    bool      // go on with what happens

	// Told is called, if it is set, when everything up to a revision has been told and
	// fn has returned from it: Since of what goes on from there. After a HappenedGap the
	// revision may be a smaller one than before, or than Since. Only with Follow.
	Told func(revision int64)
}

// History hands fn what has happened as far as the server remembers it, oldest
// first, pings excepted. A HappenedGap among it says that something is missing there.
//
// It returns the error of fn as it is. With Follow it blocks until ctx ends
// or the stream does: ErrStreamEnded if the server said so.
func (c *Client) History(ctx context.Context, o HistoryOptions, fn func(Happening) error) error {
	r := request{method: http.MethodGet, path: "history", query: o.query()}
	if o.Follow {
		return c.followHistory(ctx, r, o, fn)
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	var page HistoryPage
	if err := json.Unmarshal(a.body, &page); err != nil {
		return fmt.Errorf("%s: decode the history: %w", c.endpoint, err)
	}
	for _, happened := range page.Events {
		if err := fn(happened); err != nil {
			return err
		}
	}
	return nil
}

func (o HistoryOptions) query() url.Values {
	query := url.Values{}
	add(query, paramName, o.Units)
	add(query, paramGlob, o.Globs)
	add(query, paramMachine, o.Machines)
	switch {
	case !o.SinceTime.IsZero():
		query.Set("since", o.SinceTime.Format(time.RFC3339Nano))
	case o.Since != 0:
		query.Set("since", strconv.FormatInt(o.Since, 10))
	}
	if o.Newest != 0 {
		query.Set("limit", strconv.Itoa(o.Newest))
	}
	if o.Follow {
		query.Set("follow", strconv.FormatBool(true))
	}
	return query
}

func (c *Client) followHistory(ctx context.Context, r request, o HistoryOptions, fn func(Happening) error) error {
	told, newest := o.Since, o.Since
	tell := func(upTo int64) {
		if upTo > told && o.Told != nil {
			told = upTo
			o.Told(told)
		}
	}
	return followLines(ctx, c, r, func(happened Happening) error {
		switch happened.Type {
		case HappeningPing:
			tell(happened.Revision)
			return nil
		case HappeningEnd:
			return fmt.Errorf("%w: %s", ErrStreamEnded, happened.Message)
		case HappenedGap:
			// What was told before may be of revisions that this server has not reached.
			told, newest = 0, 0
		}
		// All of one revision has been told when the next begins.
		if happened.Revision > newest {
			tell(newest)
			newest = happened.Revision
		}
		return fn(happened)
	})
}

// followLines opens a stream of lines of JSON and hands each of them to fn, until fn fails, ctx ends or the stream does.
func followLines[T any](ctx context.Context, c *Client, r request, fn func(T) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silence, func() {
		cancel(fmt.Errorf("the event stream was silent for %s", silence))
	})
	defer watchdog.Stop()

	body, err := c.open(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	decoder := json.NewDecoder(body)
	for {
		watchdog.Reset(silence)
		var line T
		if err := decoder.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("the connection was closed")
			}
			return c.failed(ctx, fmt.Errorf("read the event stream: %w", err))
		}
		watchdog.Stop()
		if err := fn(line); err != nil {
			return err
		}
	}
}
