package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/journal"
)

// JournalNote is a line among the entries of a journal that is no entry, as {"fleet":{…}}.
type JournalNote struct {
	Type      NoteType          `json:"type"`
	MachineID cluster.MachineID `json:"machineID,omitempty"`
	Error     string            `json:"error,omitempty"`   // why it cannot be asked
	Message   string            `json:"message,omitempty"` // for people
}

// NoteType tells what a note is about.
type NoteType string

// The types of notes. Only NoteError is told to who does not follow.
const (
	NoteError  NoteType = "error"  // the machine cannot be asked, or no longer
	NoteBegin  NoteType = "begin"  // everything that the machine had was told; what comes from it now is new
	NoteLive   NoteType = "live"   // so was what all machines had, each of which has begun or has an error
	NoteJoined NoteType = "joined" // the unit has come to the machine, or back to it: what it writes there follows
	NoteLeft   NoteType = "left"   // the unit has left the machine, and everything that it wrote there was told
	NotePing   NoteType = "ping"   // nothing happened for a while
	NoteEnd    NoteType = "end"    // the stream ends; the message says why
)

// journalLine is a note among the lines of a journal; all others are what journalctl --output=json writes.
type journalLine struct {
	Fleet *JournalNote `json:"fleet"`
}

// journalOut writes a journal to one client.
type journalOut struct {
	w       http.ResponseWriter
	control *http.ResponseController
	request journalRequest
	bare    bool // entries are sent as journalctl made them

	mu       sync.Mutex
	buffer   *bufio.Writer
	begun    bool
	speakers map[string]bool // machines that are shown
}

func newJournalOut(w http.ResponseWriter, request journalRequest) *journalOut {
	o := &journalOut{w: w, control: http.NewResponseController(w), request: request, speakers: make(map[string]bool)}
	_ = o.control.SetReadDeadline(time.Time{}) // as in extend
	o.extend()
	o.buffer = bufio.NewWriterSize(patient{o}, 32<<10)
	return o
}

// patient gives every write to the client the time that a stream's reader has.
type patient struct{ o *journalOut }

func (p patient) Write(b []byte) (int, error) {
	p.o.extend()
	return p.o.w.Write(b)
}

// extend gives the client that time from now on. HTTP/2 ends a stream when it is over, whether anything was to be written or not.
func (o *journalOut) extend() {
	// Where it cannot be set there is no connection that a deadline would apply to.
	_ = o.control.SetWriteDeadline(time.Now().Add(stalled))
}

// speaks notes that a machine is among those shown: as soon as there are two, lines for people say whose they are.
func (o *journalOut) speaks(id cluster.MachineID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.speakers[string(id)] = true
}

func (o *journalOut) started() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.begun
}

// start sends the header: from here on errors are told in notes.
func (o *journalOut) start() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.startLocked()
}

func (o *journalOut) startLocked() {
	if o.begun {
		return
	}
	o.begun = true
	o.w.Header().Set("Content-Type", o.request.printer.ContentType())
	o.w.Header().Set("Cache-Control", "no-store")
	o.w.WriteHeader(http.StatusOK)
}

// merged writes an entry, and leaves it to the next flush.
func (o *journalOut) merged(line journal.Line) error { return o.line(line, false) }

// line writes an entry. What cannot be read as one is shown as it is.
func (o *journalOut) line(line journal.Line, flush bool) error {
	text := line.JSON
	if !o.bare {
		text = o.printed(line)
	} else if len(text) == 0 || text[len(text)-1] != '\n' {
		text = append(text[:len(text):len(text)], '\n')
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.startLocked()
	if _, err := o.buffer.Write(text); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if flush {
		return o.flushLocked()
	}
	return nil
}

func (o *journalOut) printed(line journal.Line) []byte {
	if o.request.output == "json" {
		return append(journal.Tag(line.JSON, line.Machine), '\n')
	}
	e, err := journal.Parse(line.JSON)
	if err != nil {
		return line.JSON
	}
	return o.request.printer.Print(e, o.prefix(line.Machine))
}

func (o *journalOut) prefix(machine string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.speakers) < 2 || !o.request.printer.ForPeople() {
		return ""
	}
	return cluster.MachineID(machine).Short() + " "
}

// read tells of the machines that could not be read, and, to who follows, of those that were.
func (o *journalOut) read(all []*reading, follow bool) error {
	for _, r := range all {
		var err error
		switch {
		case r.err != nil:
			err = o.note(JournalNote{Type: NoteError, MachineID: r.machine, Error: r.err.Error()})
		case follow:
			err = o.note(JournalNote{Type: NoteBegin, MachineID: r.machine})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// note tells something that is no entry: to programs all of it, to people what they have to know.
func (o *journalOut) note(n JournalNote) error {
	var text []byte
	switch {
	case o.request.output == "json":
		encoded, err := json.Marshal(journalLine{&n})
		if err != nil {
			return fmt.Errorf("encode a note: %w", err)
		}
		text = append(encoded, '\n')
	case n.Type == NoteError && o.request.printer.ForPeople():
		text = []byte("-- " + n.Error + " --\n")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.startLocked()
	if _, err := o.buffer.Write(text); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	return o.flushLocked()
}

func (o *journalOut) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.startLocked()
	return o.flushLocked()
}

func (o *journalOut) flushLocked() error {
	if err := o.buffer.Flush(); err != nil {
		return fmt.Errorf("write the journal: %w", err)
	}
	if err := o.control.Flush(); err != nil {
		return fmt.Errorf("flush the journal: %w", err)
	}
	return nil
}

// pinging shows the client of a stream that somebody is there, until stop is called.
func (o *journalOut) pinging(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(pingInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			o.extend()
			if !o.started() {
				continue // the answer may still be an error
			}
			var err error
			if o.bare || o.request.query.Follow {
				err = o.note(JournalNote{Type: NotePing})
			} else {
				err = o.flush()
			}
			if err != nil {
				return // whoever writes next notices too
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
