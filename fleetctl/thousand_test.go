package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestAThousandUnitsAreOneCommand: with as few requests as the calls allow, and a line for each unit.
func TestAThousandUnitsAreOneCommand(t *testing.T) {
	for _, server := range []struct {
		title    string
		takes    bool // many units in one call
		units    int
		requests int // at most
	}{
		{"in bulk", true, 1000, 40},
		{"one by one", false, 150, 170},
	} {
		t.Run(server.title, func(t *testing.T) {
			w := newWorld()
			defer w.close()
			handler, stop := w.serve("2.0.0")
			defer stop()
			var mu sync.Mutex
			requests := 0
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				requests++
				mu.Unlock()
				if strings.HasSuffix(r.URL.Path, "/changes") && !server.takes {
					http.NotFound(w, r)
					return
				}
				handler.ServeHTTP(w, r)
			}))
			defer ts.Close()
			run := func(stdin string, args ...string) string {
				t.Helper()
				requests = 0
				var out, log bytes.Buffer
				a := &app{stdin: strings.NewReader(stdin), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
				began := time.Now()
				if code := a.run(t.Context(), append([]string{"--endpoint", ts.URL}, args...)); code != exitOK {
					t.Fatalf("%v: exit code %d\n%s", args, code, &log)
				}
				t.Logf("%s: %s, %d requests", strings.Join(args, " "), time.Since(began).Round(time.Millisecond), requests)
				if requests > server.requests {
					t.Errorf("%v: %d requests, want at most %d", args, requests, server.requests)
				}
				return out.String()
			}
			units := server.units
			var names strings.Builder
			for i := range units {
				fmt.Fprintf(&names, "web@%d.service\n", i)
			}
			run("[Service]\nExecStart=/bin/web %i\n", "submit", "--name", "web@.service", "-")
			out := run(names.String(), "start", "-")
			if got := strings.Count(out, " launched on "); got != units {
				t.Errorf("%d units are said to be launched, want %d", got, units)
			}
			if got := strings.Count(run("", "stop", "web@*"), " loaded on "); got != units {
				t.Errorf("%d units are said to be loaded, want %d", got, units)
			}
			if got := strings.Count(run(names.String(), "destroy", "-"), "Destroyed "); got != units {
				t.Errorf("%d units are said to be destroyed, want %d", got, units)
			}
		})
	}
}
