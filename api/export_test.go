package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime"
	"time"
	"weak"

	"fleet/cluster"
)

// Await waits until the server's cache has been filled and has reached a revision.
func Await(ctx context.Context, s *Server, revision int64) bool {
	s.cache().await(ctx, revision)
	return ctx.Err() == nil
}

// ClientOver makes a client whose requests go over a transport of the test's own.
func ClientOver(t http.RoundTripper, o ClientOptions) *Client {
	o.Log = slog.New(slog.DiscardHandler)
	return &Client{endpoint: "test", base: "http://test/fleet/v1/", o: o, http: &http.Client{Transport: t}}
}

// Listening is the number of event streams that are open.
func Listening(s *Server) int {
	s.cache().mu.RLock()
	defer s.cache().mu.RUnlock()
	return len(s.cache().listeners)
}

// ParsePageToken reads a token for a list and writes it again; both texts are empty for fleet 1's.
func ParsePageToken(s, list string) (again string, ours bool, err error) {
	t, err := parsePageToken(s, list)
	if err == nil && t.ours {
		again = t.text(list)
	}
	return again, t.ours, err
}

// PageToken writes a token.
func PageToken(list string, limit int, revision int64, value, key, minor string) string {
	return pageToken{limit: limit, revision: revision, after: row{value, key, minor}}.text(list)
}

// Pasts are the revisions that are kept for lists, and how many states of units for all of them.
func Pasts(s *Server) (revisions []int64, kept int) {
	s.cache().pasts.mu.Lock()
	defer s.cache().pasts.mu.Unlock()
	for _, p := range s.cache().pasts.all {
		revisions = append(revisions, p.revision)
		kept += len(p.units)
	}
	return revisions, kept
}

// Rows are the lines of lists that are kept in an order of their own; at most so many are.
func Rows(s *Server, most int) (kept int) {
	s.cache().pasts.mu.Lock()
	defer s.cache().pasts.mu.Unlock()
	s.cache().pasts.maxRows = most
	for _, p := range s.cache().pasts.all {
		for _, rows := range p.sorted {
			kept += len(rows)
		}
	}
	return kept
}

// Routes lists what the server answers, as "METHOD path", without HEAD.
func Routes(s *Server) []string {
	var all []string
	for _, r := range s.table {
		for method := range r.resource {
			all = append(all, method+" /"+r.path)
		}
	}
	return all
}

// Remember sets how many changes a server that is idle remembers for streams that resume.
func Remember(s *Server, changes int) {
	s.cache().mu.Lock()
	defer s.cache().mu.Unlock()
	s.cache().log.limit = changes
}

// SetClock gives a server that is idle the time for its history.
func SetClock(s *Server, now func() time.Time) {
	s.cache().mu.Lock()
	defer s.cache().mu.Unlock()
	s.cache().now = now
	s.cache().history.begun = now()
}

// RememberHappenings sets how many happenings a server that is idle remembers.
func RememberHappenings(s *Server, n int) {
	s.cache().mu.Lock()
	defer s.cache().mu.Unlock()
	s.cache().history.limit = n
}

// Feed hands an update to a server that does not run.
func Feed(s *Server, u cluster.Update) { s.cache().apply(u) }

// Anew is a server that is told at once what s knows.
func Anew(s *Server) *Server {
	again := New(nil, Options{})
	s.cache().read(func(v view) { again.cache().apply(v.All()) })
	return again
}

// Gone tells later whether the cache that the server has now is no longer in memory.
func Gone(s *Server) func() bool {
	c := weak.Make(s.cache())
	return func() bool {
		runtime.GC()
		return c.Value() == nil
	}
}
