package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// stalled is how long one write to a stream may take before its reader is given up.
const stalled = 2 * time.Minute

// shuttingDown is the last word of a stream that the server ends.
const shuttingDown = "fleetd is shutting down"

// stream answers with lines of JSON for as long as tell goes on.
func (s *Server) stream(w http.ResponseWriter, r *http.Request, tell func(context.Context, *stream) error) error {
	release, err := s.occupy(w, r)
	if err != nil {
		return err
	}
	defer release()
	w.Header().Set("Content-Type", linesType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
	if r.Method == http.MethodHead {
		return nil
	}
	if err := tell(r.Context(), newStream(w)); err != nil {
		// The client is gone, or does not read. There is nobody to tell.
		s.o.Logger.Debug("stream broke off", "path", r.URL.Path, "err", err)
	}
	return nil
}

// stream writes lines of JSON to one client.
type stream struct {
	control *http.ResponseController
	to      io.Writer
}

// lineBuffers gather lines on their way out. A stream has one only while it sends: nearly all of them wait nearly always.
var lineBuffers = sync.Pool{New: func() any { return bufio.NewWriter(nil) }}

func newStream(w http.ResponseWriter) *stream {
	s := &stream{control: http.NewResponseController(w), to: w}
	// The server's own timeouts are for requests that end. Where they cannot be
	// lifted there is no connection that they would apply to.
	_ = s.control.SetReadDeadline(time.Time{})
	return s
}

// open shows the client that there is a stream, before anything is told.
func (s *stream) open() error {
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("open the stream: %w", err)
	}
	return nil
}

// sendLines writes lines and flushes them.
func sendLines[T any](s *stream, lines []T) error {
	if len(lines) == 0 {
		return nil
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(stalled))
	buffer := lineBuffers.Get().(*bufio.Writer)
	buffer.Reset(s.to)
	defer func() {
		buffer.Reset(nil)
		lineBuffers.Put(buffer)
	}()
	encoder := json.NewEncoder(buffer)
	for _, line := range lines {
		if err := encoder.Encode(line); err != nil {
			return fmt.Errorf("write a line: %w", err)
		}
	}
	if err := buffer.Flush(); err != nil {
		return fmt.Errorf("write lines: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush lines: %w", err)
	}
	return nil
}
