package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// many is a cluster that counts requests, for commands about many units.
type many struct {
	t        testing.TB
	endpoint string
	bulk     bool // it takes many units in one call
	requests atomic.Int64
}

func newMany(t testing.TB, bulk bool) *many {
	t.Helper()
	m := &many{t: t, bulk: bulk}
	w := newWorld()
	handler, stop := w.serve("2.0.0")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.requests.Add(1)
		if strings.HasSuffix(r.URL.Path, "/changes") && !m.bulk {
			w.Header().Set("Server", "fleetd/1.0.0")
			http.NotFound(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.Close()
		stop()
		w.close()
	})
	m.endpoint = server.URL
	m.run("[Service]\nExecStart=/bin/web %i\n", "submit", "--name", "web@.service", "-")
	return m
}

// run runs a command that has to succeed.
func (m *many) run(stdin string, args ...string) (stdout string) {
	m.t.Helper()
	m.requests.Store(0)
	var out, log bytes.Buffer
	a := &app{stdin: strings.NewReader(stdin), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
	args = append([]string{"--endpoint", m.endpoint, "--request-timeout", "1m"}, args...)
	if code := a.run(m.t.Context(), args); code != exitOK {
		m.t.Fatalf("%v: exit code %d\n%s", args, code, &log)
	}
	return out.String()
}

// webs are the names of instances, one a line.
func webs(n int) string {
	var names strings.Builder
	for i := range n {
		fmt.Fprintf(&names, "web@%d.service\n", i)
	}
	return names.String()
}

// TestManyUnitsAreOneCommand: with as few requests as the calls allow, and a line for each unit.
func TestManyUnitsAreOneCommand(t *testing.T) {
	for title, server := range map[string]struct {
		bulk            bool
		units, requests int
	}{
		"in bulk":    {true, 320, 12},
		"one by one": {false, 120, 130},
	} {
		t.Run(title, func(t *testing.T) {
			m := newMany(t, server.bulk)
			for _, step := range []struct {
				stdin string
				args  []string
				line  string // about each unit
			}{
				{webs(server.units), []string{"start", "-"}, " launched on "},
				{"", []string{"stop", "web@*"}, " loaded on "},
				{webs(server.units), []string{"destroy", "-"}, "Destroyed "},
			} {
				out := m.run(step.stdin, step.args...)
				if got := strings.Count(out, step.line); got != server.units {
					t.Errorf("%v: %d lines say %q, want %d", step.args, got, step.line, server.units)
				}
				if got := m.requests.Load(); got > int64(server.requests) {
					t.Errorf("%v: %d requests, want at most %d", step.args, got, server.requests)
				}
			}
		})
	}
}

// BenchmarkAThousandUnits is how long a user waits: for the engine, two machines and their systemds, all in
// this process.
func BenchmarkAThousandUnits(b *testing.B) {
	const units = 1000
	m := newMany(b, true)
	for b.Loop() {
		m.run(webs(units), "start", "-")
		m.run("", "restart", "web@*.service")
		m.run(webs(units), "destroy", "-")
	}
}
