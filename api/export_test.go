package api

import (
	"context"
	"log/slog"
	"net/http"
)

// Await waits until the server's cache has been filled and has reached a revision.
func Await(ctx context.Context, s *Server, revision int64) bool {
	s.cache.await(ctx, revision)
	return ctx.Err() == nil
}

// ClientOver makes a client whose requests go over a transport of the test's own.
func ClientOver(t http.RoundTripper, o ClientOptions) *Client {
	o.Log = slog.New(slog.DiscardHandler)
	return &Client{endpoint: "test", base: "http://test/fleet/v1/", o: o, http: &http.Client{Transport: t}}
}

// Listening is the number of event streams that are open.
func Listening(s *Server) int {
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	return len(s.cache.listeners)
}

// ParsePageToken and its inverse, for the fuzzer.
func ParsePageToken(s string) (token string, limit, page uint32, err error) {
	t, err := parsePageToken(s)
	return t.String(), t.limit, t.page, err
}

// PageBounds cuts a list of that many items.
func PageBounds(limit, page uint32, total int) (from, to int, next string) {
	return pageToken{limit: limit, page: page}.cut(total)
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
	s.cache.mu.Lock()
	defer s.cache.mu.Unlock()
	s.cache.log.limit = changes
}
