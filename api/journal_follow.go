package api

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/journal"
	"fleet/unit"
)

const (
	// A machine that cannot be asked although it is there is asked again, less and less often.
	firstRetry = 200 * time.Millisecond
	lastRetry  = 5 * time.Second

	// draining is how long it may take to get the last lines from a machine that the unit has left.
	draining = 10 * time.Second
)

// follower sends what a unit writes from now on, wherever the unit goes.
//
// The cache says on which machines the unit is. Each of them is read by a goroutine of its own, from the
// last entry that was sent, over and over if its connection breaks. When the unit has left
// a machine the goroutine reads what is left there, and ends.
type follower struct {
	server  *Server
	name    unit.Name
	request journalRequest
	out     *journalOut
	began   time.Time

	events  chan journalEvent
	readers map[cluster.MachineID]*journalReader
	places  map[cluster.MachineID]*position
	lost    map[cluster.MachineID]bool // was told as lost
	group   sync.WaitGroup
}

// position is how far a machine's journal was sent.
type position struct {
	reader sync.Mutex // held by the goroutine that has it: one that was dropped may take a while to end
	cursor string
	begin  journal.Query // what to ask for while there is no cursor
}

// journalReader is the goroutine that reads one machine's journal.
type journalReader struct {
	leave context.CancelFunc // the unit has left the machine: read what is left, and end
	drop  context.CancelFunc // end
}

// journalEvent is what a reader says.
type journalEvent struct {
	machine cluster.MachineID
	line    *journal.Line
	err     error // it will try again
	ended   bool
}

func newFollower(s *Server, name unit.Name, request journalRequest, out *journalOut, read []*reading) *follower {
	f := &follower{
		server: s, name: name, request: request, out: out, began: time.Now(),
		events:  make(chan journalEvent),
		readers: make(map[cluster.MachineID]*journalReader),
		places:  make(map[cluster.MachineID]*position),
		lost:    make(map[cluster.MachineID]bool),
	}
	for _, r := range read {
		p := &position{cursor: r.cursor, begin: r.query}
		switch {
		case p.cursor == "" && r.query.After != "":
			p.cursor = r.query.After
		case r.err == nil && r.query.Lines > 0:
			p.begin.Lines = journal.All // nothing was there, so that all there will be is new
		}
		f.places[r.machine] = p
		f.lost[r.machine] = r.err != nil && s.presence(r.machine) == cluster.Lost
	}
	return f
}

// run ends with ctx, or when the client does not read.
func (f *follower) run(ctx context.Context, l *listener) error {
	readers, cancel := context.WithCancel(ctx)
	defer f.group.Wait()
	defer cancel()
	if err := f.out.note(JournalNote{Type: NoteLive}); err != nil {
		return err
	}
	for first := true; ; first = false {
		if err := f.look(readers, first); err != nil {
			return err
		}
		for looked := false; !looked; {
			select {
			case <-ctx.Done():
				// Either the client has gone, or the server ends: only in the latter case does anybody read this.
				return f.out.note(JournalNote{Type: NoteEnd, Message: shuttingDown})
			case <-l.wake:
				f.server.cache().take(l)
				looked = true
			case e := <-f.events:
				if err := f.take(e); err != nil {
					return err
				}
				looked = e.ended
			}
		}
	}
}

func (f *follower) take(e journalEvent) error {
	switch {
	case e.line != nil:
		return f.out.line(*e.line, true)
	case e.ended:
		delete(f.readers, e.machine)
		if e.err != nil {
			text := fmt.Sprintf("the last lines from a machine that the unit has left may be missing: %v", e.err)
			if err := f.out.note(JournalNote{Type: NoteError, MachineID: e.machine, Error: text}); err != nil {
				return err
			}
		}
		return f.out.note(JournalNote{Type: NoteLeft, MachineID: e.machine})
	}
	return f.out.note(JournalNote{Type: NoteError, MachineID: e.machine, Error: e.err.Error()})
}

// look starts and ends readers so that there is one for each machine that has the unit.
func (f *follower) look(ctx context.Context, first bool) error {
	copies := f.copies()
	there := make(map[cluster.MachineID]bool, len(copies))
	for _, c := range copies {
		there[c.Machine] = true
		reader := f.readers[c.Machine]
		switch {
		case c.Presence == cluster.Lost && f.lost[c.Machine]:
		case c.Presence == cluster.Lost:
			f.lost[c.Machine] = true
			if reader != nil {
				reader.drop()
				delete(f.readers, c.Machine)
			}
			text := fmt.Sprintf("machine %s is lost: nothing is seen of it until it is back", c.Machine)
			if err := f.out.note(JournalNote{Type: NoteError, MachineID: c.Machine, Error: text}); err != nil {
				return err
			}
		case reader == nil:
			delete(f.lost, c.Machine)
			if err := f.start(ctx, c.Machine, first); err != nil {
				return err
			}
		}
	}
	if first && !f.request.everywhere {
		// What was read is no longer there; the last of it may have been written since.
		for id := range f.places {
			if f.readers[id] == nil && !f.lost[id] {
				if err := f.start(ctx, id, true); err != nil {
					return err
				}
			}
		}
	}
	for id, reader := range f.readers {
		if !there[id] {
			reader.leave()
		}
	}
	return nil
}

// copies are the machines that are to be read now.
func (f *follower) copies() []cluster.Copy {
	if id := f.request.machine; id != "" {
		return []cluster.Copy{{Machine: id, Presence: f.server.presence(id)}}
	}
	var copies []cluster.Copy
	f.server.cache().read(func(v view) { copies = v.Status(f.name).Copies })
	return copies
}

func (f *follower) start(ctx context.Context, id cluster.MachineID, first bool) error {
	place := f.places[id]
	begun := first && place != nil
	if place == nil {
		// By the clock of the machine itself, which may not go as this one's does.
		place = &position{begin: journal.Query{Lines: journal.All, Placed: true}}
		f.places[id] = place
	}
	f.out.speaks(id)
	if !begun {
		if err := f.out.note(JournalNote{Type: NoteJoined, MachineID: id}); err != nil {
			return err
		}
	}
	all, drop := context.WithCancel(ctx)
	until, leave := context.WithCancel(all)
	f.readers[id] = &journalReader{leave: leave, drop: drop}
	f.group.Go(func() {
		defer drop()
		place.reader.Lock()
		defer place.reader.Unlock()
		f.read(all, until, id, place)
	})
	return nil
}

// read follows one machine's journal until ctx ends, or drains it when until does.
func (f *follower) read(ctx, until context.Context, id cluster.MachineID, place *position) {
	retry := firstRetry
	said := ""
	for until.Err() == nil {
		began := time.Now()
		err := f.stream(ctx, until, id, place, place.query(true, f.began))
		if until.Err() != nil {
			break
		}
		if err == nil {
			err = fmt.Errorf("machine %s: its journal ended", id)
		}
		if time.Since(began) > lastRetry {
			retry, said = firstRetry, ""
		}
		if text := err.Error(); text != said && !errors.Is(err, ErrStreamEnded) {
			said = text
			f.tell(ctx, journalEvent{machine: id, err: fmt.Errorf("%w; trying again", err)})
		}
		select {
		case <-until.Done():
		case <-time.After(retry):
		}
		retry = min(2*retry, lastRetry)
	}
	if ctx.Err() != nil {
		return
	}
	last, cancel := context.WithTimeout(ctx, draining)
	defer cancel()
	q := place.query(false, f.began)
	q.Sync = true
	err := f.stream(ctx, last, id, place, q)
	f.tell(ctx, journalEvent{machine: id, ended: true, err: err})
}

// stream sends what a query finds. until ends the query; an entry on its way gets through as long as ctx lasts.
func (f *follower) stream(ctx, until context.Context, id cluster.MachineID, place *position, q journal.Query) error {
	source, err := f.server.systemdOf(id)
	if err != nil {
		return err
	}
	return source.Journal(until, f.name, q, func(raw []byte) error {
		line, cursor := lineOf(id, raw)
		if !f.tell(ctx, journalEvent{machine: id, line: &line}) {
			return ctx.Err()
		}
		place.cursor = cursor
		return nil
	})
}

func (f *follower) tell(ctx context.Context, e journalEvent) bool {
	select {
	case f.events <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// query asks for what comes after what was sent.
func (p *position) query(follow bool, began time.Time) journal.Query {
	q := p.begin
	q.Follow, q.Until = follow, time.Time{}
	switch {
	case p.cursor != "":
		q.After, q.Lines = p.cursor, journal.All
	case q.Lines == 0:
		// New is what comes from now on; if the connection breaks, what has come since.
		p.begin.Lines, p.begin.Since = journal.All, began
		if !follow {
			return p.begin
		}
	}
	return q
}
