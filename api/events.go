package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"fleet/cluster"
)

// stalled is how long one write to a stream may take before its reader is given up.
const stalled = 2 * time.Minute

// eventChunk is how many events are made while the cache is locked.
const eventChunk = 100

// getEvents tells the present state of what was selected, then every change.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	machines, err := boolParameter(query.Get("machines"), false)
	if err != nil {
		return badRequest("parameter machines: %v", err)
	}
	units, err := selectedUnits(query)
	if err != nil {
		return err
	}
	since, err := revisionParameter(query.Get("since"))
	if err != nil {
		return badRequest("parameter since: %v", err)
	}
	w.Header().Set("Content-Type", linesType)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	// Who comes from another server may be a moment ahead of this one.
	s.awaitRevision(r.Context(), since)
	l, first := s.cache.listen(units, machines, since)
	defer s.cache.unlisten(l)
	out := &eventStream{stream: newStream(w), server: s, told: since}
	if err := out.run(r.Context(), l, first); err != nil {
		// The client is gone, or does not read. There is nobody to tell.
		s.o.Logger.Debug("event stream broke off", "err", err)
	}
	return nil
}

// revisionParameter is zero if there is none.
func revisionParameter(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	revision, err := strconv.ParseInt(s, 10, 64)
	if err != nil || revision < 0 {
		return 0, fmt.Errorf("%q is no revision", s)
	}
	return revision, nil
}

// eventStream tells one client of events. The revision of an event says that with
// it, and all before it, everything up to there has been told: of a batch only the last has the batch's.
type eventStream struct {
	*stream
	server *Server
	told   int64 // everything up to here has been told; 0 while not even that is there which is at first
}

func (e *eventStream) run(ctx context.Context, l *listener, first batch) error {
	if first.reset != "" {
		e.told = 0
		if err := e.send(Event{Type: EventReset, Message: first.reset}); err != nil {
			return err
		}
	}
	if err := e.sendBatch(first, Event{Type: EventSync}); err != nil {
		return err
	}
	s := e.server
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	shutdown := Event{Type: EventEnd, Message: "fleetd is shutting down"}
	for {
		select {
		case <-ctx.Done():
			// The client has gone, or the listener is shut down: only in
			// the latter case does anybody read this.
			return e.send(shutdown)
		case <-s.ended:
			return e.send(shutdown)
		case <-ping.C:
			if err := s.ready(); err != nil {
				return e.send(Event{Type: EventEnd, Message: err.Error()})
			}
			if err := e.sendBatch(s.cache.take(l), Event{Type: EventPing}); err != nil {
				return err
			}
		case <-l.wake:
			if err := e.sendBatch(s.cache.take(l)); err != nil {
				return err
			}
		}
	}
}

// sendBatch sends the newest state of units and machines, and then what else is given.
func (e *eventStream) sendBatch(b batch, last ...Event) error {
	left := len(b.ids) + len(b.names) + len(last)
	send := func(events []Event) error {
		for i := range events {
			if left--; left == 0 {
				e.told = b.revision
			}
			events[i].Revision = e.told
		}
		return e.send(events...)
	}
	var events []Event
	e.server.cache.read(func(v view) {
		for _, id := range b.ids {
			events = append(events, machineEvent(v, id))
		}
	})
	if err := send(events); err != nil {
		return err
	}
	for chunk := range slices.Chunk(b.names, eventChunk) {
		events = events[:0]
		e.server.cache.read(func(v view) {
			for _, name := range chunk {
				u := v.unit(name, detail{log: true})
				events = append(events, Event{Type: EventUnit, Unit: &u})
			}
		})
		if err := send(events); err != nil {
			return err
		}
	}
	return send(last)
}

func machineEvent(v view, id cluster.MachineID) Event {
	if m := v.machine(id); m != nil {
		return Event{Type: EventMachine, Machine: m}
	}
	return Event{Type: EventMachineGone, Machine: &Machine{ID: id}}
}

// stream writes events to one client as lines of JSON.
type stream struct {
	control *http.ResponseController
	buffer  *bufio.Writer
	encoder *json.Encoder
}

func newStream(w http.ResponseWriter) *stream {
	s := &stream{control: http.NewResponseController(w), buffer: bufio.NewWriter(w)}
	s.encoder = json.NewEncoder(s.buffer)
	// The server's own timeouts are for requests that end. Where they cannot be
	// lifted there is no connection that they would apply to.
	_ = s.control.SetReadDeadline(time.Time{})
	return s
}

// send writes events and flushes them.
func (s *stream) send(events ...Event) error {
	if len(events) == 0 {
		return nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(stalled))
	for _, e := range events {
		if err := s.encoder.Encode(e); err != nil {
			return fmt.Errorf("write event: %w", err)
		}
	}
	if err := s.buffer.Flush(); err != nil {
		return fmt.Errorf("write events: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush events: %w", err)
	}
	return nil
}
