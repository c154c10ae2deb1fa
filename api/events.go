package api

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"fleet/cluster"
	"fleet/unit"
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
	var units []unit.Name
	for _, raw := range query["unitName"] {
		name, err := parseName(raw)
		if err != nil {
			return badRequest("parameter unitName: %v", err)
		}
		units = append(units, name)
	}
	w.Header().Set("Content-Type", linesType)
	w.Header().Set("Cache-Control", "no-store")
	if r.Method == http.MethodHead {
		w.WriteHeader(http.StatusOK)
		return nil
	}
	l, names, ids := s.cache.listen(units, machines)
	defer s.cache.unlisten(l)
	out := newStream(w)
	if err := s.stream(r, out, l, names, ids); err != nil {
		// The client is gone, or does not read. There is nobody to tell.
		s.o.Logger.Debug("event stream broke off", "err", err)
	}
	return nil
}

func (s *Server) stream(r *http.Request, out *stream, l *listener, names []unit.Name, ids []cluster.MachineID) error {
	if err := s.sendStates(out, names, ids); err != nil {
		return err
	}
	synced := Event{Type: EventSync}
	s.cache.read(func(v view) { synced.Revision = v.Revision })
	if err := out.send(synced); err != nil {
		return err
	}
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	shutdown := Event{Type: EventEnd, Message: "fleetd is shutting down"}
	for {
		select {
		case <-r.Context().Done():
			// The client has gone, or the listener is shut down: only in
			// the latter case does anybody read this.
			return out.send(shutdown)
		case <-s.ended:
			return out.send(shutdown)
		case <-ping.C:
			if err := s.ready(); err != nil {
				return out.send(Event{Type: EventEnd, Message: err.Error()})
			}
			if err := out.send(Event{Type: EventPing}); err != nil {
				return err
			}
		case <-l.wake:
			names, ids := l.take()
			if err := s.sendStates(out, names, ids); err != nil {
				return err
			}
		}
	}
}

// sendStates sends the newest state of units and machines.
func (s *Server) sendStates(out *stream, names []unit.Name, ids []cluster.MachineID) error {
	var events []Event
	s.cache.read(func(v view) {
		for _, id := range ids {
			events = append(events, machineEvent(v, id))
		}
	})
	if err := out.send(events...); err != nil {
		return err
	}
	for chunk := range slices.Chunk(names, eventChunk) {
		events = events[:0]
		s.cache.read(func(v view) {
			for _, name := range chunk {
				u := v.unit(name, detail{log: true})
				events = append(events, Event{Type: EventUnit, Revision: v.Revision, Unit: &u})
			}
		})
		if err := out.send(events...); err != nil {
			return err
		}
	}
	return nil
}

func machineEvent(v view, id cluster.MachineID) Event {
	if m := v.machine(id); m != nil {
		return Event{Type: EventMachine, Revision: v.Revision, Machine: m}
	}
	return Event{Type: EventMachineGone, Revision: v.Revision, Machine: &Machine{ID: id}}
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
