package main

import (
	"bytes"
	"context"

	"fleet/api"
	"fleet/cluster"
	"fleet/journal"
)

// unitJournal is one unit's stream: what was there, and with --follow what comes after that, over as many connections
// as it takes. Its methods are for the goroutine that reads it.
type unitJournal struct {
	reader *journalReader
	unit   api.Unit
	past   chan journal.Line   // what was there; closed when it was told, or cannot be
	live   chan<- func() error // shows what comes; shared by all units

	inPast  bool                         // past is open
	cursors map[cluster.MachineID]string // how far it was read; empty of a machine that has written nothing yet
	said    string                       // why the stream broke

	// Valid when past is closed.
	err    error
	errors []api.JournalNote
}

func newUnitJournal(r *journalReader, u api.Unit, room int, live chan<- func() error) *unitJournal {
	return &unitJournal{
		reader: r, unit: u, past: make(chan journal.Line, room), live: live,
		inPast: true, cursors: make(map[cluster.MachineID]string),
	}
}

// read reads the stream from its beginning, and with --follow for ever.
func (u *unitJournal) read(ctx context.Context) {
	if !u.reader.flags.follow {
		u.endPast(u.stream(ctx, func() {}))
		return
	}
	broken := func(err error) error { return u.sayBroken(ctx, err) }
	u.endPast(reopen(ctx, u.stream, broken))
}

// stream reads one connection to its end. inStep is called when everything that was there was told.
func (u *unitJournal) stream(ctx context.Context, inStep func()) error {
	o := u.reader.options
	if !u.inPast {
		o = u.rest()
	}
	return u.reader.client.Journal(ctx, u.unit.Name, o, func(item api.JournalItem) error {
		if item.Note == nil {
			return u.entry(ctx, item.Entry)
		}
		return u.note(ctx, *item.Note, inStep)
	})
}

func (u *unitJournal) entry(ctx context.Context, raw []byte) error {
	at, cursor := journal.Scan(raw)
	machine := journal.MachineOf(raw)
	if err := u.hand(ctx, journal.Line{Machine: machine, At: at, JSON: bytes.Clone(raw)}); err != nil {
		return err
	}
	u.cursors[cluster.MachineID(machine)] = cursor
	return nil
}

func (u *unitJournal) hand(ctx context.Context, line journal.Line) error {
	if !u.inPast {
		return send(ctx, u.live, func() error { return u.reader.show.now(line) })
	}
	return send(ctx, u.past, line)
}

func (u *unitJournal) note(ctx context.Context, n api.JournalNote, inStep func()) error {
	switch {
	case n.Type == api.NoteBegin:
		if _, known := u.cursors[n.MachineID]; !known {
			u.cursors[n.MachineID] = ""
		}
		return nil
	case n.Type == api.NoteLive:
		u.endPast(nil)
		u.said = ""
		inStep()
		return nil
	case n.Type == api.NoteError && u.inPast:
		u.errors = append(u.errors, n)
		return nil
	case n.Type == api.NoteLeft:
		delete(u.cursors, n.MachineID)
	}
	return send(ctx, u.live, func() error { u.reader.comment(u.unit.Name, n); return nil })
}

// endPast lets the past be judged, once.
func (u *unitJournal) endPast(err error) {
	if u.inPast {
		u.err, u.inPast = err, false
		close(u.past)
	}
}

// sayBroken tells why the stream broke, unless that is no news.
func (u *unitJournal) sayBroken(ctx context.Context, err error) error {
	if err.Error() == u.said {
		return nil
	}
	u.said = err.Error()
	return send(ctx, u.live, func() error {
		u.reader.app.complain("-- %s: the stream broke, going on as soon as it is there again: %v --", u.unit.Name, err)
		return nil
	})
}

// rest asks for what comes after what was seen.
func (u *unitJournal) rest() api.JournalOptions {
	o := u.reader.options
	o.Cursors = u.cursors
	if o.Lines == 0 {
		o.Since = u.reader.began // of machines that have written nothing yet
	}
	o.Lines = journal.All
	if len(o.Cursors) == 0 {
		o.Placed = true // wherever the unit is now, it was not there before
	}
	return o
}
