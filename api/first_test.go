package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"fleet/api"
)

// A server that was asked after every change, and keeps for the next time what it has found out, tells
// newcomers what one tells that is asked for the first time.
func TestNewcomersAreToldWhatIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t, 1000)
		unasked := w.serve(1000)
		w.populate(t)
		query := rapid.SampledFrom([]string{
			"", "glob=web*", "glob=*.service", "glob=db.*&unitName=none.service", "unitName=web@1.service", "glob=w*&glob=*b*",
		}).Draw(t, "query") + "&machines=true"
		for range rapid.IntRange(0, 12).Draw(t, "changes") {
			w.first(t, w.server, query)
			w.get(t, w.server, "machines", &struct{}{})
			w.change(t)
		}
		if diff := gocmp.Diff(w.first(t, unasked, query), w.first(t, w.server, query)); diff != "" {
			t.Fatalf("events?%s (-unasked +asked):\n%s", query, diff)
		}
	})
}

// first is what a stream tells before it waits.
func (w *world) first(t fataler, s *api.Server, query string) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // it ends when it would wait
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/fleet/v1/events?"+query, http.NoBody)
	answer := httptest.NewRecorder()
	s.Handler().ServeHTTP(answer, r)
	var told []string
	for line := range strings.Lines(answer.Body.String()) {
		var e api.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("event %q: %v", line, err)
		}
		if e.Type == api.EventSync {
			return told
		}
		told = append(told, line)
	}
	t.Fatalf("events?%s did not come to an end: %s", query, answer.Body)
	return nil
}
