package api

import (
	"bufio"
	"bytes"
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
	"fleet/journal"
	"fleet/unit"
)

// JournalOptions say what of a unit's journal is asked for. Query.Lines is 0, none, unless it is set.
type JournalOptions struct {
	journal.Query
	Machine    cluster.MachineID // only this one; empty: all that have the unit
	Everywhere bool              // all machines that are there: what the unit wrote on each at any time

	// Cursors continue where an earlier stream broke off: by machine, the cursor of the last entry
	// from there, empty if NoteBegin told of the machine but no entry came. Query.After is for one machine.
	Cursors map[cluster.MachineID]string
}

// JournalItem is an entry, or a note.
type JournalItem struct {
	Entry []byte       // a line of JSON for journal.Parse; nil if it is a note. It is valid until fn returns.
	Note  *JournalNote // nil if it is an entry
}

func (o JournalOptions) query() url.Values {
	query := url.Values{"output": {"json"}}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	flag := func(name string, on bool) {
		if on {
			query.Set(name, "true")
		}
	}
	set("machineID", string(o.Machine))
	flag("everywhere", o.Everywhere)
	flag("follow", o.Follow)
	flag("sync", o.Sync)
	set("lines", strconv.Itoa(o.Lines))
	if o.Lines < 0 {
		set("lines", linesAll)
	}
	if o.Placed {
		set("since", sincePlaced)
	} else if !o.Since.IsZero() {
		set("since", journal.FormatTime(o.Since))
	}
	if !o.Until.IsZero() {
		set("until", journal.FormatTime(o.Until))
	}
	if o.After != "" {
		query.Add("cursor", string(o.Machine)+":"+o.After)
	}
	for id, cursor := range o.Cursors {
		query.Add("cursor", string(id)+":"+cursor)
	}
	return query
}

// longQuery is what goes into a URL without anything between here and there refusing it.
const longQuery = 4 << 10

// request puts cursors into a body if they make too long a URL.
func (o JournalOptions) request(name unit.Name) request {
	r := request{method: http.MethodGet, path: unitPath(name) + "/journal", query: o.query()}
	if len(r.query.Encode()) <= longQuery {
		return r
	}
	r.method, r.contentType = http.MethodPost, formType
	r.body = []byte(url.Values{"cursor": r.query["cursor"]}.Encode())
	r.query.Del("cursor")
	return r
}

// Journal hands fn what a unit wrote, merged from all its machines, and notes on machines that cannot
// be asked, pings excepted. Without Follow it returns nil when there is no more. With Follow it
// goes on wherever the unit goes, until fn returns an error, which it returns as it is, until ctx ends, or until
// the stream does: ErrStreamEnded if the server said so.
func (c *Client) Journal(ctx context.Context, name unit.Name, o JournalOptions, fn func(JournalItem) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := c.open(ctx, o.request(name))
	if err != nil {
		return err
	}
	defer body.Close()
	// Who only reads what is there may be kept waiting by a long journal.
	watched := o.Follow || c.o.peer != ""
	watchdog := time.AfterFunc(silence, func() {
		if watched {
			cancel(fmt.Errorf("the journal was silent for %s", silence))
		}
	})
	defer watchdog.Stop()
	lines := bufio.NewReaderSize(body, 32<<10)
	for {
		watchdog.Reset(silence)
		line, err := lines.ReadBytes('\n')
		watchdog.Stop()
		switch {
		case errors.Is(err, io.EOF) && len(line) == 0 && !o.Follow:
			return nil
		case errors.Is(err, io.EOF):
			return c.failed(ctx, errors.New("read the journal: the connection was closed"))
		case err != nil:
			return c.failed(ctx, fmt.Errorf("read the journal: %w", err))
		}
		item, err := journalItem(line)
		switch {
		case err != nil:
			return fmt.Errorf("%s: %w", c.endpoint, err)
		case item.Note != nil && item.Note.Type == NotePing:
			continue
		case item.Note != nil && item.Note.Type == NoteEnd:
			return fmt.Errorf("%w: %s", ErrStreamEnded, item.Note.Message)
		}
		if err := fn(item); err != nil {
			return err
		}
	}
}

func journalItem(line []byte) (JournalItem, error) {
	if !bytes.HasPrefix(line, []byte(`{"fleet":`)) {
		return JournalItem{Entry: line}, nil
	}
	var n journalLine
	if err := json.Unmarshal(line, &n); err != nil || n.Fleet == nil {
		return JournalItem{}, fmt.Errorf("read a note in the journal: %q", line)
	}
	return JournalItem{Note: n.Fleet}, nil
}

// StatusOptions say whose status is asked for.
type StatusOptions struct {
	Machine cluster.MachineID // empty: all that have the unit, each with a headline
	Lines   int               // how many of the last lines of the journal are shown
}

// StatusText is what systemctl status says of a unit.
func (c *Client) StatusText(ctx context.Context, name unit.Name, o StatusOptions) (string, error) {
	query := url.Values{"lines": {strconv.Itoa(o.Lines)}}
	if o.Machine != "" {
		query.Set("machineID", string(o.Machine))
	}
	a, err := c.do(ctx, request{method: http.MethodGet, path: unitPath(name) + "/status", query: query})
	if err != nil {
		return "", err
	}
	return string(a.body), nil
}
