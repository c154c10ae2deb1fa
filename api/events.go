package api

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"fleet/cluster"
)

// eventChunk is how many events are made while the cache is locked.
const eventChunk = 100

// getEvents tells the present state of what was selected, then every change.
func (s *Server) getEvents(w http.ResponseWriter, r *http.Request) error {
	query, err := parameters(r)
	if err != nil {
		return err
	}
	machines, err := boolParameter(query.Get("machines"), false)
	if err != nil {
		return badRequest("parameter machines: %v", err)
	}
	absent, err := boolParameter(query.Get(paramAbsent), false)
	if err != nil {
		return badRequest("parameter %s: %v", paramAbsent, err)
	}
	units, err := selectedUnits(query)
	if err != nil {
		return err
	}
	since, err := revisionParameter(query.Get("since"))
	if err != nil {
		return badRequest("parameter since: %v", err)
	}
	return s.stream(w, r, func(ctx context.Context, out *stream) error {
		// Who comes from another server may be a moment ahead of this one.
		s.awaitRevision(ctx, since)
		l, first := s.cache().listen(units, machines, absent, since)
		defer s.cache().unlisten(l)
		e := &eventStream{stream: out, server: s, absent: absent, told: since}
		return e.run(ctx, l, first)
	})
}

// revisionParameter is zero if there is none.
func revisionParameter(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	revision, err := strconv.ParseInt(s, 10, 64)
	if err != nil || revision < 0 {
		return 0, fmt.Errorf("%q: expect a revision, such as an event has", s)
	}
	return revision, nil
}

// eventStream tells one client of events. The revision of an event says that with
// it, and all before it, everything up to there has been told: of a batch only the last has the batch's.
type eventStream struct {
	*stream
	server *Server
	absent bool  // machines that are not present are told of too
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
	shutdown := Event{Type: EventEnd, Message: shuttingDown}
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
			if err := e.sendBatch(s.cache().take(l), Event{Type: EventPing}); err != nil {
				return err
			}
		case <-l.wake:
			if err := e.sendBatch(s.cache().take(l)); err != nil {
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
	for chunk := range slices.Chunk(b.ids, eventChunk) {
		events = events[:0]
		e.server.cache().read(func(v view) {
			for _, id := range chunk {
				events = append(events, machineEvent(v, id, e.absent))
			}
		})
		if err := send(events); err != nil {
			return err
		}
	}
	for chunk := range slices.Chunk(b.names, eventChunk) {
		events = events[:0]
		e.server.cache().read(func(v view) {
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

func (e *eventStream) send(events ...Event) error { return sendLines(e.stream, events) }

func machineEvent(v view, id cluster.MachineID, absent bool) Event {
	if m := v.toldMachine(id); m != nil && (absent || !v.away(id)) {
		return Event{Type: EventMachine, Machine: m}
	}
	return Event{Type: EventMachineGone, Machine: &Machine{ID: id}}
}
