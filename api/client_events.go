package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"fleet/unit"
)

// EventsOptions select what an event stream tells of.
type EventsOptions struct {
	Units    []unit.Name // with Globs, those that either selects; none of both: all units
	Globs    []unit.Glob
	Machines bool // machines too
	Absent   bool // with Machines: also those that are not present and still known

	// Since resumes an earlier stream of the same selection, of any server of the
	// cluster: only what has changed after this revision is told before EventSync. 0: everything.
	Since int64
	// Told is called, if it is set, when everything up to a revision has been
	// told and fn has returned from it: Since of the stream that resumes this one.
	Told func(revision int64)
}

// silence is how long a stream may say nothing before it is given up: several
// times the server's ping interval.
const silence = 4 * pingInterval

// Events opens the event stream and hands every event to fn, pings excepted:
// first the present state of everything selected, then EventSync, then
// every change. When fn is slow, changes in between are left out; the newest is always told.
//
// A stream that broke is resumed by another one with the last revision that Told
// was called with as Since. If the server cannot tell what has changed since then,
// it sends EventReset first and then everything: what is not told again before EventSync is gone.
//
// It blocks until fn returns an error, which it returns as it is, until ctx
// ends, or until the stream does: ErrStreamEnded if the server said so.
func (c *Client) Events(ctx context.Context, o EventsOptions, fn func(Event) error) error {
	query := url.Values{}
	add(query, paramName, o.Units)
	add(query, paramGlob, o.Globs)
	if o.Since != 0 {
		query.Set("since", strconv.FormatInt(o.Since, 10))
	}
	if o.Machines {
		query.Set("machines", strconv.FormatBool(true))
	}
	if o.Absent {
		query.Set(paramAbsent, strconv.FormatBool(true))
	}
	told := o.Since
	r := request{method: http.MethodGet, path: "events", query: query}
	return followLines(ctx, c, r, func(e Event) error {
		switch e.Type {
		case EventPing:
		case EventEnd:
			return fmt.Errorf("%w: %s", ErrStreamEnded, e.Message)
		case EventReset:
			told = 0
			fallthrough
		default:
			if err := fn(e); err != nil {
				return err
			}
		}
		if e.Revision > told && o.Told != nil {
			told = e.Revision
			o.Told(told)
		}
		return nil
	})
}
