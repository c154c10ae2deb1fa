package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
)

// TestWhatIsNotSentIsSaid: when the cluster goes away in the middle of many units, nobody has to read a
// thousand lines to know how far it came.
func TestWhatIsNotSentIsSaid(t *testing.T) {
	w := newWorld()
	defer w.close()
	handler, stop := w.serve("2.0.0")
	defer stop()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/changes") {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	var names strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&names, "web@%d\n", i)
	}
	var out, log bytes.Buffer
	run := func(stdin string, args ...string) exitCode {
		a := &app{stdin: strings.NewReader(stdin), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
		return a.run(t.Context(), append([]string{"--endpoint", server.URL}, args...))
	}
	if code := run("[Service]\nExecStart=/bin/web\n", "submit", "--name", "web@.service", "-"); code != exitOK {
		t.Fatalf("submit: exit code %d\n%s", code, &log)
	}
	out.Reset()
	if code := run(names.String(), "start", "-"); code != exitUnreachable {
		t.Errorf("exit code %d, want %d", code, exitUnreachable)
	}
	said := log.String()
	if !strings.Contains(said, "100 units, from web@0.service to web@99.service: reach fleetd at ") ||
		!strings.Contains(said, "Nothing was sent for ") || strings.Count(said, "\n") > 20 || out.Len() > 0 {
		t.Errorf("it says\n%s%s", &out, said)
	}
}

// TestAConditionHoldsForOneOrderToo: what somebody else has changed since it was looked at is refused, however few orders there are.
func TestAConditionHoldsForOneOrderToo(t *testing.T) {
	w := newWorld()
	defer w.close()
	handler, stop := w.serve("2.0.0")
	defer stop()
	server := httptest.NewServer(handler)
	defer server.Close()
	c, err := api.Dial(server.URL, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	seen, err := c.PutFile(t.Context(), "web.service", []byte("[Service]\nExecStart=/bin/web\n"), api.PutFileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.SetDesired(t.Context(), "web.service", cluster.Launched); err != nil {
		t.Fatal(err)
	}
	for _, o := range []order{
		{unit: "web.service", goal: goalGone, destroy: true, ifMatch: seen.Generation},
		{unit: "web.service", goal: goalLoaded, desired: cluster.Loaded, ifMatch: seen.Generation},
	} {
		out := make([]sending, 1)
		deliver(t.Context(), c, []order{o}, out)
		if code := remoteCode(out[0].err); out[0].err == nil || code != exitRefused {
			t.Errorf("%s: %v, want it refused", o.goal, out[0].err)
		}
	}
}
