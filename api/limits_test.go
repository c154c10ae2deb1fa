package api_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func TestLimitsAreSettings(t *testing.T) {
	f := newFixture(t, api.Options{Limits: api.Limits{Body: 1000, Header: 500}, Advisor: advisor{}})
	large, many := strings.Repeat(" ", 1001), strings.Repeat(" ", 8001)
	for _, c := range []struct {
		method, path, contentType, body string
		code                            int
		says                            string
	}{
		{"PUT", "units/a.service", "application/json", large, 413, "request body is larger than the limit of 1000 bytes (api_max_body of fleetd)"},
		{"PUT", "units/a.service/file", "", large, 413, "unit file is larger than the limit of 1000 bytes (api_max_body of fleetd)"},
		{"PATCH", "machines", "", large, 413, "request body is larger than the limit of 1000 bytes (api_max_body of fleetd)"},
		{"POST", "plan", "", many, 413, "request body is larger than the limit of 8000 bytes (8 times api_max_body of fleetd)"},
		{"POST", "changes", "", many, 413, "request body is larger than the limit of 8000 bytes (8 times api_max_body of fleetd)"},
		{"POST", "changes", "", large, 400, "it is empty"},
		{"GET", "units?unitName=" + strings.Repeat("x", 500), "", "", 431, "more than the limit of 500 bytes (api_max_header of fleetd)"},
		{"PUT", "units/a.service", strings.Repeat("x", 500), "", 431, "more than the limit of 500 bytes (api_max_header of fleetd)"},
	} {
		code, message := f.call(t, c.method, "/fleet/v1/"+c.path, c.contentType, strings.NewReader(c.body))
		if code != c.code || !strings.Contains(message, c.says) {
			t.Errorf("%s %.30s: %d %q, want %d %q", c.method, c.path, code, message, c.code, c.says)
		}
	}
}

// A server may have been told to take less than the client thinks.
func TestTheClientSendsFewerChangesWhereItMust(t *testing.T) {
	f := newFixture(t, api.Options{Limits: api.Limits{Body: 1000}})
	var changes []api.Change
	for i := range 100 {
		changes = append(changes, api.Change{
			Name: unit.Name(fmt.Sprintf("u%d.service", i)), File: []byte(sleepUnit + strings.Repeat("#\n", 100)),
		})
	}
	results, err := f.client.Change(t.Context(), changes)
	if err != nil || len(results) != 100 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	for i, r := range results {
		if r.Name != changes[i].Name || !r.Created {
			t.Errorf("%+v", r)
		}
	}
}

// Who has too many streams is told so, and who is another client is not concerned.
func TestStreamsAreCountedByClient(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.api = limited(t, f, api.Limits{Streams: 2})
		certificate := func(name string) *tls.ConnectionState {
			return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{{Subject: pkix.Name{CommonName: name}}}}
		}
		ask := func(ctx context.Context, state *tls.ConnectionState, address string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/fleet/v1/history?follow=true", http.NoBody)
			r.TLS, r.RemoteAddr = state, address
			w := httptest.NewRecorder()
			go f.api.Handler().ServeHTTP(w, r)
			synctest.Wait()
			return w
		}
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		for _, c := range []struct {
			who   string
			ask   func(ctx context.Context) *httptest.ResponseRecorder
			other func() *httptest.ResponseRecorder
		}{
			{
				"CN=alice", func(ctx context.Context) *httptest.ResponseRecorder {
					return ask(ctx, certificate("alice"), "10.0.0.1:1")
				},
				func() *httptest.ResponseRecorder { return ask(ctx, certificate("bob"), "10.0.0.1:1") },
			},
			{
				"10.0.0.1", func(ctx context.Context) *httptest.ResponseRecorder { return ask(ctx, nil, "10.0.0.1:1") },
				func() *httptest.ResponseRecorder { return ask(ctx, nil, "10.0.0.2:1") },
			},
			{
				"the user with uid 7", func(ctx context.Context) *httptest.ResponseRecorder {
					return ask(api.WithClient(ctx, "the user with uid 7"), nil, "@")
				},
				func() *httptest.ResponseRecorder { return ask(api.WithClient(ctx, "the user with uid 8"), nil, "@") },
			},
		} {
			first, stop := context.WithCancel(ctx)
			c.ask(first)
			c.ask(ctx)
			refused := c.ask(ctx)
			var answer struct{ Error api.Error }
			if err := json.Unmarshal(refused.Body.Bytes(), &answer); err != nil {
				t.Fatal(err, refused.Body)
			}
			want := c.who + " has as many streams open as the limit allows one client, 2 (api_max_streams of fleetd)"
			if refused.Code != http.StatusTooManyRequests || answer.Error.Message != want || refused.Header().Get("Retry-After") != "10" {
				t.Errorf("%s: %d %q, Retry-After %q", c.who, refused.Code, answer.Error.Message, refused.Header().Get("Retry-After"))
			}
			if other := c.other(); other.Code != http.StatusOK {
				t.Errorf("another client than %s: %d %s", c.who, other.Code, other.Body)
			}
			stop()
			synctest.Wait()
			if again := c.ask(ctx); again.Code != http.StatusOK {
				t.Errorf("%s, after a stream has ended: %d %s", c.who, again.Code, again.Body)
			}
		}
		leave()
		synctest.Wait()
	})
}

// limited is a server with limits in a bubble.
func limited(t *testing.T, f *fixture, limits api.Limits) *api.Server {
	server := api.New(f.store, api.Options{Limits: limits})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { _ = server.Run(ctx) }()
	t.Cleanup(cancel)
	synctest.Wait()
	return server
}

// Of many changes those that came too late are told so, each; the others are done.
func TestChangesThatTakeTooLong(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		f.api = limited(t, f, api.Limits{Request: 5 * time.Second})
		f.store.delay = 2 * time.Second
		var body strings.Builder
		for i := range 128 { // of which 32 are carried out at a time
			fmt.Fprintf(&body, `,{"name":"u%02d.service","file":"[Service]\n"}`, i)
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/fleet/v1/changes", strings.NewReader(`{"changes":[`+body.String()[1:]+`]}`))
		w := httptest.NewRecorder()
		f.api.Handler().ServeHTTP(w, r)
		var answer struct {
			Results []api.ChangeResult
			Shown   bool
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusOK {
			t.Fatal(w.Code, err, w.Body)
		}
		if !answer.Shown {
			t.Error("what was done in time is said not to be shown")
		}
		counts := make(map[string]int)
		for _, result := range answer.Results {
			what := strconv.Itoa(result.Code)
			for _, says := range []string{
				"not done within the limit of 5s (api_request_timeout of fleetd), what was to be written may have been",
				"not begun within the limit of 5s (api_request_timeout of fleetd): nothing was changed",
			} {
				if strings.HasPrefix(result.Error, says) {
					what += " " + says[:9]
				}
			}
			counts[what]++
		}
		want := map[string]int{"201": 64, "503 not done ": 32, "503 not begun": 32}
		if diff := gocmp.Diff(want, counts); diff != "" {
			t.Error(diff)
		}
	})
}

// lateStore is slow to tell of changes.
type lateStore struct{ *fakeStore }

func (s lateStore) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	return s.fakeStore.Follow(ctx, func(u cluster.Update) error {
		if !u.Reset {
			select {
			case <-time.After(10 * time.Second):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return fn(u)
	})
}

// An answer that could not wait for this server to show what was changed does not say that it shows it.
func TestChangesThatAreNotShownInTime(t *testing.T) {
	bubble(t, func(t *testing.T, f *fixture) {
		server := api.New(lateStore{f.store}, api.Options{Limits: api.Limits{Request: 3 * time.Second}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _ = server.Run(ctx) }()
		defer cancel()
		synctest.Wait()
		f.store.delay = 2 * time.Second
		body := strings.NewReader(`{"changes":[{"name":"a.service","file":"[Service]\n"}]}`)
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/fleet/v1/changes", body))
		want := `{"results":[{"name":"a.service","code":201,"generation":2,"created":true,"changed":true}],"revision":2,"shown":false}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want {
			t.Errorf("%d %s, want %s", w.Code, got, want)
		}
	})
}
