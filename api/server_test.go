package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/registry"
	"fleet/registry/memory"
	"fleet/unit"
)

const sleepUnit = "[Service]\nExecStart=/bin/sleep 1\n"

// call sends a request and returns the status and the error message, if there is one.
func (f *fixture) call(t testing.TB, method, path, contentType string, body io.Reader) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, f.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := f.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Error api.Error }
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode >= 400 {
		if err := json.Unmarshal(raw, &answer); err != nil || answer.Error.Code != resp.StatusCode {
			t.Errorf("%s %s: %d with the body %q, want an error of that code", method, path, resp.StatusCode, raw)
		}
	}
	return resp.StatusCode, answer.Error.Message
}

func TestLimitsAreNamed(t *testing.T) {
	f := newFixture(t, api.Options{})
	option := `{"options":[{"section":"Service","name":"Environment","value":"%s"}]}`
	lines := "[Service]\n" + strings.Repeat("Environment=A=1\n", 1<<17)
	for _, c := range []struct {
		about, method, path, contentType, body string
		want                                   int
		says                                   string
	}{
		{"10 MiB of JSON", "PUT", "/fleet/v1/units/a.service", "application/json", fmt.Sprintf(option, strings.Repeat("x", 10<<20)), 413, "limit of 2097152 bytes"},
		{"10 MiB of nothing", "PUT", "/fleet/v1/units/a.service", "application/json", strings.Repeat(" ", 10<<20), 413, "limit of 2097152 bytes"},
		{"a 2 MiB file", "PUT", "/fleet/v1/units/a.service/file", "", lines, 413, "unit file is larger than the limit of 1048576 bytes"},
		{"a 1.2 MiB file as JSON", "PUT", "/fleet/v1/units/a.service", "application/json", manyOptions(1200), 413, "unit file is larger than the limit of 1048576 bytes"},
		{"a line that systemd cannot read", "PUT", "/fleet/v1/units/a.service", "application/json", fmt.Sprintf(option, strings.Repeat("x", 1<<20)), 400, "line too long"},
		{"a 10 MiB patch", "PATCH", "/fleet/v1/machines", "", "[" + strings.Repeat(" ", 10<<20) + "]", 413, "limit of 2097152 bytes"},
		{"metadata of 100 KB", "PATCH", "/fleet/v1/machines", "", `[{"op":"add","path":"/m/metadata/a","value":{"value":"` + strings.Repeat("x", 100_000) + `"}}]`, 413, "what is laid over machine m is larger than the limit of 65536 bytes"},
		{"a thousand braces", "PUT", "/fleet/v1/units/a.service", "application/json", strings.Repeat(`{"options":[`, 20_000), 400, "unable to decode body"},
		{"a long name", "PUT", "/fleet/v1/units/" + strings.Repeat("a", 300) + ".service", "application/json", "{}", 400, "maximum length (255)"},
	} {
		code, message := f.call(t, c.method, c.path, c.contentType, strings.NewReader(c.body))
		if code != c.want || !strings.Contains(message, c.says) {
			t.Errorf("%s: %d %q, want %d and %q", c.about, code, message, c.want, c.says)
		}
	}
	if units, err := f.client.Units(t.Context()); err != nil || len(units) != 0 {
		t.Errorf("stored: %v, %v", units, err)
	}
}

// manyOptions is a unit file of n KiB as JSON.
func manyOptions(n int) string {
	option := `{"section":"Service","name":"Environment","value":"` + strings.Repeat("x", 1024) + `"}`
	return `{"options":[` + option + strings.Repeat(","+option, n-1) + `]}`
}

// A list must never say that there is more than there is, or less.
func TestPagesHoldEverythingOnce(t *testing.T) {
	f := newFixture(t, api.Options{PageSize: 7})
	for total := range 23 {
		units, err := f.client.Units(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(units) != total {
			t.Fatalf("%d units listed of %d", len(units), total)
		}
		for i, u := range units {
			if want := unit.Name(fmt.Sprintf("u%03d.service", i)); u.Name != want {
				t.Fatalf("unit %d is %s, want %s", i, u.Name, want)
			}
		}
		u := f.store.submit(t, unit.Name(fmt.Sprintf("u%03d.service", total)), sleepUnit, cluster.Inactive)
		f.settle(t, u.Revision)
	}
}

func TestErrorsOfTheStoreSayWhatWasBeingDone(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
	}{
		{fmt.Errorf("write: %w", cluster.ErrConflict), 409},
		{fmt.Errorf("write: %w", cluster.ErrUnavailable), 503},
		{fmt.Errorf("write: %w", cluster.ErrNoSpace), 507},
		{errors.New("disk on fire"), 500},
	} {
		f := newFixture(t, api.Options{})
		f.store.fail = c.err
		code, message := f.call(t, "PUT", "/fleet/v1/units/a.service/file", "", strings.NewReader(sleepUnit))
		if want := "put unit a.service: " + c.err.Error(); code != c.code || message != want {
			t.Errorf("PUT: %d %q, want %d %q", code, message, c.code, want)
		}
		patch := `[{"op":"add","path":"/m/metadata/k","value":{"value":"v"}}]`
		code, message = f.call(t, "PATCH", "/fleet/v1/machines", "", strings.NewReader(patch))
		if want := "change settings of machine m: " + c.err.Error(); code != c.code || message != want {
			t.Errorf("PATCH: %d %q, want %d %q", code, message, c.code, want)
		}
	}
}

func TestTheLoserOfARaceIsTold(t *testing.T) {
	f := newFixture(t, api.Options{})
	f.store.race = func() {
		f.store.race = nil
		f.store.submit(t, "a.service", "[Service]\nExecStart=/bin/winner\n", cluster.Launched)
	}
	code, message := f.call(t, "PUT", "/fleet/v1/units/a.service/file", "", strings.NewReader(sleepUnit))
	if code != http.StatusConflict || !strings.Contains(message, "changed by somebody else meanwhile") {
		t.Errorf("%d %q, want a 409 that tells of the other writer", code, message)
	}
	f.settle(t, f.store.unit("a.service").Revision)
	file, err := f.client.File(t.Context(), "a.service")
	if err != nil || !strings.Contains(string(file), "winner") {
		t.Errorf("the winner's file is %q, %v", file, err)
	}
}

// Several clients may bring the same unit at the same moment, or destroy it.
func TestWhoWantsTheSameLosesNoRace(t *testing.T) {
	f := newFixture(t, api.Options{})
	beat := func(fn func()) { f.store.race = func() { f.store.race = nil; fn() } }
	const options = `{"options":[{"section":"Service","name":"ExecStart","value":"/bin/a"}]`
	const file = "[Service]\nExecStart=/bin/a\n"

	beat(func() { f.store.submit(t, "a.service", file, cluster.Launched) })
	code, message := f.call(t, "PUT", "/fleet/v1/units/a.service", "application/json", strings.NewReader(options+"}"))
	if code != http.StatusNoContent || f.store.unit("a.service").Desired != cluster.Launched {
		t.Errorf("the same unit: %d %q", code, message)
	}

	beat(func() { f.store.submit(t, "b.service", file, cluster.Inactive) })
	code, message = f.call(t, "PUT", "/fleet/v1/units/b.service/file?desiredState=loaded", "", strings.NewReader(file))
	if code != http.StatusNoContent || f.store.unit("b.service").Desired != cluster.Loaded {
		t.Errorf("the same file, wanted loaded: %d %q", code, message)
	}

	beat(func() {
		if _, err := f.client.Destroy(t.Context(), "a.service"); err != nil {
			t.Error(err)
		}
	})
	code, message = f.call(t, "DELETE", "/fleet/v1/units/a.service", "", nil)
	if code != http.StatusNotFound || message != "unit does not exist" {
		t.Errorf("destroyed by two: %d %q, want what v1 says of a unit that is gone", code, message)
	}

	beat(func() { f.store.submit(t, "b.service", "[Service]\nExecStart=/bin/b\n", cluster.Launched) })
	code, message = f.call(t, "DELETE", "/fleet/v1/units/b.service", "", nil)
	if code != http.StatusConflict {
		t.Errorf("destroyed while somebody replaced it: %d %q", code, message)
	}
}

// newRegistryServer is a server on the real registry.
func newRegistryServer(t *testing.T) (*api.Server, *registry.Registry) {
	store := memory.New()
	t.Cleanup(store.Close)
	records := registry.New(store.Client(), registry.Options{})
	server := api.New(records, api.Options{Version: "1.2.3"})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	if _, err := records.UpdateSettings(t.Context(), "m", func(s cluster.Settings) (cluster.Settings, error) { return s, nil }); err != nil {
		t.Fatal(err)
	}
	api.Await(t.Context(), server, 1)
	return server, records
}

// Of many who submit different files under one name with a condition, one
// wins each round, and each who was told of success wrote exactly one generation.
func TestConcurrentWritersOfOneUnit(t *testing.T) {
	server, _ := newRegistryServer(t)
	f := serve(t, server)
	ctx := t.Context()
	if _, err := f.client.PutFile(ctx, "a.service", []byte(sleepUnit), api.PutFileOptions{}); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		before, err := f.client.Unit(ctx, "a.service")
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var winners []string
		var writers sync.WaitGroup
		for i := range 8 {
			writers.Go(func() {
				text := fmt.Sprintf("[Service]\nExecStart=/bin/sleep %d%d\n", round, i)
				_, err := f.client.PutFile(ctx, "a.service", []byte(text), api.PutFileOptions{IfMatch: before.Generation})
				var refused *api.Error
				switch {
				case err == nil:
					mu.Lock()
					winners = append(winners, text)
					mu.Unlock()
				case !errors.As(err, &refused) || refused.Code != 409 && refused.Code != 412:
					t.Errorf("a loser was told %v", err)
				}
			})
		}
		writers.Wait()
		if len(winners) != 1 {
			t.Fatalf("%d winners: %q", len(winners), winners)
		}
		if file, err := f.client.File(ctx, "a.service"); err != nil || string(file) != winners[0] {
			t.Fatalf("stored is %q, %v, the winner's is %q", file, err, winners[0])
		}
	}
}

func TestConcurrentReadersAndWriters(t *testing.T) {
	server, _ := newRegistryServer(t)
	f := serve(t, server)
	ctx := t.Context()
	var all sync.WaitGroup
	for i := range 6 {
		name := unit.Name(fmt.Sprintf("w%d.service", i))
		all.Go(func() {
			for n := range 10 {
				text := fmt.Appendf(nil, "[Service]\nExecStart=/bin/sleep %d\n", n)
				put, err := f.client.PutFile(ctx, name, text, api.PutFileOptions{Desired: cluster.Launched})
				if err != nil {
					t.Errorf("put %s: %v", name, err)
					return
				}
				// Whoever wrote reads it back at once.
				u, err := f.client.Unit(ctx, name)
				if err != nil || u.Generation != put.Generation || u.Content != unit.IDOf(text) {
					t.Errorf("after writing generation %d: %+v, %v", put.Generation, u, err)
				}
				if _, err := f.client.Units(ctx); err != nil {
					t.Error(err)
				}
				if _, err := f.client.States(ctx); err != nil {
					t.Error(err)
				}
			}
			if _, err := f.client.Destroy(ctx, name); err != nil {
				t.Errorf("destroy %s: %v", name, err)
			}
			if _, err := f.client.Unit(ctx, name); !errors.Is(err, api.ErrNotFound) {
				t.Errorf("after destroying %s: %v", name, err)
			}
		})
	}
	all.Wait()
}

func TestDiscoveryDescribesV1(t *testing.T) {
	f := newFixture(t, api.Options{})
	resp, err := http.Get(f.server.URL + "/v1-alpha/discovery")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsRune(raw, '\n') {
		t.Error("the document is not compact")
	}
	type method struct {
		ID, HTTPMethod, Path string
		Request, Response    struct {
			Ref string `json:"$ref"`
		}
	}
	var doc struct {
		ID, Name, Version, BasePath, RootURL, BaseURL string
		Schemas                                       map[string]struct{ Properties map[string]any }
		Resources                                     map[string]struct{ Methods map[string]method }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	if got := []string{doc.ID, doc.Name, doc.Version, doc.BasePath, doc.RootURL, doc.BaseURL}; fmt.Sprint(got) !=
		"[fleet:v1 schema v1 /fleet/v1/ $ENDPOINT/ $ENDPOINT/fleet/v1/]" {
		t.Errorf("head of the document: %q", got)
	}
	ids := make(map[string]bool)
	for _, r := range doc.Resources {
		for _, m := range r.Methods {
			ids[m.ID] = true
			// Every method must lead somewhere, and every schema that it names must be there.
			path := "/fleet/v1/" + strings.ReplaceAll(m.Path, "{unitName}", "a.service")
			if code, _ := f.call(t, m.HTTPMethod, path, "application/json", strings.NewReader("{}")); code == 405 {
				t.Errorf("%s: %s %s is not allowed", m.ID, m.HTTPMethod, path)
			}
			for _, ref := range []string{m.Request.Ref, m.Response.Ref} {
				if _, ok := doc.Schemas[ref]; ref != "" && !ok {
					t.Errorf("%s: no schema %q", m.ID, ref)
				}
			}
		}
	}
	for _, id := range strings.Fields("fleet.Machine.List fleet.Unit.List fleet.Unit.Get fleet.Unit.Delete fleet.Unit.Set fleet.UnitState.Get fleet.UnitState.List") {
		if !ids[id] {
			t.Errorf("%s is not described", id)
		}
	}
	for schema, fields := range map[string]string{
		"Machine":       "id metadata primaryIP",
		"MachinePage":   "machines nextPageToken",
		"Unit":          "currentState desiredState machineID name options",
		"UnitOption":    "name section value",
		"UnitPage":      "nextPageToken units",
		"UnitState":     "hash machineID name systemdActiveState systemdLoadState systemdSubState",
		"UnitStatePage": "nextPageToken states",
	} {
		got := strings.Join(slices.Sorted(maps.Keys(doc.Schemas[schema].Properties)), " ")
		if got != fields {
			t.Errorf("schema %s has %s, want %s", schema, got, fields)
		}
	}
}

// A mistake of ours breaks one connection off, and whoever operates the server is told.
func TestPanicsAreLogged(t *testing.T) {
	var log bytes.Buffer
	s := api.New(newFakeStore(), api.Options{
		Ready:  func() error { panic("a mistake") },
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	api.Feed(s, cluster.Update{Revision: 1, Reset: true})
	defer func() {
		if cause := recover(); cause != http.ErrAbortHandler {
			t.Errorf("net/http is told %v", cause)
		}
		if text := log.String(); !strings.Contains(text, "level=ERROR") || !strings.Contains(text, "a mistake") || !strings.Contains(text, "server_test.go") {
			t.Errorf("logged: %s", text)
		}
	}()
	s.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/fleet/v1/units", http.NoBody))
}
