package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// The life of a unit, by the client alone, over a unix socket and the real registry.
func TestClientOverAUnixSocket(t *testing.T) {
	server, _ := newRegistryServer(t)
	socket := filepath.Join(t.TempDir(), "fleet.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	h := httptest.NewUnstartedServer(server.Handler())
	h.Listener.Close()
	h.Listener = listener
	h.Start()
	defer h.Close()
	c := dial(t, "unix://"+socket)
	ctx := t.Context()

	name := unit.Name(`dev\x2dsda@1.service`)
	raw := []byte("# comment\r\n[Service]\r\nExecStart=/bin/sleep 1\r\n")
	put, err := c.PutFile(ctx, name, raw, api.PutFileOptions{})
	if err != nil || !put.Created || put.Generation == 0 {
		t.Fatalf("submit: %+v, %v", put, err)
	}
	if file, err := c.File(ctx, name); err != nil || !bytes.Equal(file, raw) {
		t.Errorf("file: %q, %v", file, err)
	}
	set, err := c.SetDesired(ctx, name, cluster.Launched)
	if err != nil || set.Created || set.Generation <= put.Generation {
		t.Errorf("start: %+v, %v", set, err)
	}
	restarted, err := c.Restart(ctx, name)
	if err != nil || restarted.Generation <= set.Generation {
		t.Errorf("restart: %+v, %v", restarted, err)
	}
	_, err = c.PutFile(ctx, name, []byte(sleepUnit), api.PutFileOptions{IfMatch: put.Generation})
	if !errors.Is(err, cluster.ErrConflict) {
		t.Errorf("replace with an old generation: %v", err)
	}
	_, err = c.PutFile(ctx, name, []byte(sleepUnit), api.PutFileOptions{NoReplace: true})
	if refused := new(api.Error); !errors.As(err, &refused) || refused.Code != http.StatusConflict {
		t.Errorf("replace without leave: %v", err)
	}
	u, err := c.Unit(ctx, name)
	if err != nil || u.DesiredState != cluster.Launched || u.Generation != restarted.Generation {
		t.Errorf("unit: %+v, %v", u, err)
	}
	gone, err := c.Destroy(ctx, name)
	if err != nil || gone.Generation <= restarted.Generation {
		t.Errorf("destroy: %+v, %v", gone, err)
	}
	for what, err := range map[string]error{
		"unit":    second(c.Unit(ctx, name)),
		"file":    second(c.File(ctx, name)),
		"destroy": second(c.Destroy(ctx, name)),
		"restart": second(c.Restart(ctx, name)),
	} {
		if !errors.Is(err, api.ErrNotFound) {
			t.Errorf("%s after destroy: %v", what, err)
		}
	}
	if version, err := c.Version(ctx); version != "1.2.3" || err != nil {
		t.Errorf("version: %q, %v", version, err)
	}
}

func second[T any](_ T, err error) error { return err }

func dial(t *testing.T, endpoint string) *api.Client {
	t.Helper()
	c, err := api.Dial(endpoint, api.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestClientKeepsABasePath(t *testing.T) {
	f := newFixture(t, api.Options{})
	h := httptest.NewServer(http.StripPrefix("/base", f.api.Handler()))
	defer h.Close()
	for _, endpoint := range []string{h.URL + "/base", h.URL + "/base/"} {
		if _, err := dial(t, endpoint).PutFile(t.Context(), "a@%.service", []byte(sleepUnit), api.PutFileOptions{}); err == nil ||
			!strings.Contains(err.Error(), `invalid character '%'`) {
			t.Errorf("%s: %v, want the server's refusal of the name", endpoint, err)
		}
	}
}

func TestDialRefusesWhatIsNoEndpoint(t *testing.T) {
	for endpoint, want := range map[string]string{
		"":                      "expect unix:///path",
		"/run/fleet.sock":       "expect unix:///path",
		"unix://run/fleet.sock": "expect unix:///path/of/socket",
		"http://":               "no host",
		"ftp://host":            "expect unix:///path",
		"http://[::1":           "expect unix:///path",
	} {
		if _, err := api.Dial(endpoint, api.ClientOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", endpoint, err, want)
		}
	}
}

func TestClientSaysWhoDidNotAnswer(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "none.sock")
	_, err := dial(t, "unix://"+socket).Units(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "reach fleetd at unix://"+socket+": dial unix") {
		t.Errorf("no socket: %v", err)
	}
	f := newFixture(t, api.Options{Version: "9.9.9"})
	f.notReady.Store(true)
	if _, err := f.client.Units(t.Context()); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("not ready: %v", err)
	}
	if version, err := f.client.Version(t.Context()); version != "9.9.9" || err != nil {
		t.Errorf("version of a server that is not ready: %q, %v", version, err)
	}
}

// Between client and server there may be a proxy that has its own way to fail.
func TestClientWithAnswersThatAreNotFleets(t *testing.T) {
	for _, c := range []struct {
		code       int
		body, want string
	}{
		{502, "<html>bad gateway</html>", "<html>bad gateway</html>"},
		{500, "", "HTTP status 500 Internal Server Error"},
		{500, `{"error":"no such thing"}`, "HTTP status 500 Internal Server Error"},
		{404, "<html>not found</html>", "not a fleetd"},
		{200, "welcome", "decode unit a.service: invalid character"},
		{500, `{"error":{"code":404,"message":"unit does not exist"}}`, "unit does not exist"},
	} {
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.code)
			io.WriteString(w, c.body)
		}))
		client := dial(t, h.URL)
		_, err := client.Unit(t.Context(), "a.service")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d %q: %v, want %q", c.code, c.body, err, c.want)
		}
		if fleets := strings.Contains(c.body, "unit does not exist"); errors.Is(err, api.ErrNotFound) != fleets {
			t.Errorf("%d %q: the unit is said not to exist", c.code, c.body)
		}
		if _, err := client.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "not a fleetd") {
			t.Errorf("version: %v", err)
		}
		h.Close()
	}
}

func TestClientEvents(t *testing.T) {
	f := newFixture(t, api.Options{})
	long := strings.Repeat("x", 1<<18) // longer than any line buffer
	f.store.write(cluster.MachineChanged{ID: "m", Machine: &cluster.Machine{ID: "m"}})
	f.settle(t, f.store.write(cluster.ReportChanged{ID: "m", Report: &cluster.Report{
		Machine: "m",
		Units:   map[unit.Name]cluster.UnitReport{"a.service": {Log: []string{long}}},
	}}))
	o := api.EventsOptions{Units: []unit.Name{"a.service"}, Machines: true}

	stop := errors.New("seen enough")
	var types []api.EventType
	err := f.client.Events(t.Context(), o, func(e api.Event) error {
		types = append(types, e.Type)
		if e.Type == api.EventUnit && e.Unit.Copies[0].Log[0] != long {
			t.Errorf("the log has %d bytes", len(e.Unit.Copies[0].Log[0]))
		}
		if e.Type == api.EventSync {
			return stop
		}
		return nil
	})
	if err != stop || fmt.Sprint(types) != "[machine unit sync]" {
		t.Errorf("events %v, %v", types, err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	err = f.client.Events(ctx, o, func(e api.Event) error {
		if e.Type == api.EventSync {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}

	err = f.client.Events(t.Context(), o, func(e api.Event) error {
		if e.Type == api.EventSync {
			go f.stop()
		}
		return nil
	})
	if !errors.Is(err, api.ErrStreamEnded) || !strings.Contains(err.Error(), "fleetd is shutting down") {
		t.Errorf("shutdown: %v", err)
	}
	if err := f.client.Events(t.Context(), o, nil); !errors.Is(err, cluster.ErrUnavailable) {
		t.Errorf("after shutdown: %v", err)
	}
}

// A connection over which nothing comes any more must not be waited on for ever.
func TestClientGivesUpASilentStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := roundTripper(func(r *http.Request) (*http.Response, error) {
			body, w := io.Pipe()
			context.AfterFunc(r.Context(), func() { w.CloseWithError(r.Context().Err()) })
			return &http.Response{StatusCode: http.StatusOK, Body: body}, nil
		})
		start := time.Now()
		err := api.ClientOver(silent, api.ClientOptions{}).Events(t.Context(), api.EventsOptions{}, nil)
		if err == nil || !strings.Contains(err.Error(), "silent for 1m0s") || time.Since(start) != time.Minute {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
	})
}

func TestClientTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		never := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		_, err := api.ClientOver(never, api.ClientOptions{Timeout: 7 * time.Second}).Units(t.Context())
		if err == nil || err.Error() != "reach fleetd at test: no answer within 7s" {
			t.Errorf("%v", err)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v is no deadline exceeded", err)
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Whoever destroys a unit can wait until its last copy has stopped.
func TestClientAwaitsTheEndOfADestroyedUnit(t *testing.T) {
	lines, stream := io.Pipe()
	defer stream.Close()
	events := roundTripper(func(r *http.Request) (*http.Response, error) {
		if want := "/fleet/v1/events?unitName=a.service"; r.URL.RequestURI() != want {
			t.Errorf("%s is asked for, want %s", r.URL.RequestURI(), want)
		}
		return &http.Response{StatusCode: http.StatusOK, Body: lines, Request: r}, nil
	})
	ended := make(chan api.Unit, 1)
	go func() {
		last, err := api.ClientOver(events, api.ClientOptions{Timeout: time.Minute}).Await(t.Context(), "a.service", 7)
		if err != nil {
			t.Errorf("Await: %v", err)
		}
		ended <- last
	}()
	for _, line := range []string{
		`{"type":"unit","revision":7,"unit":{"name":"a.service","absent":true,"outcome":{"phase":"working"},"copies":[{"machineID":"m","presence":"present","ordered":false}]}}`,
		`{"type":"sync","revision":7}`,
		`{"type":"ping"}`,
	} {
		if _, err := io.WriteString(stream, line+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case last := <-ended:
		t.Errorf("Await has not waited: %+v", last)
	default: // it has read all that
	}
	if _, err := io.WriteString(stream, `{"type":"unit","revision":9,"unit":{"name":"a.service","absent":true,"outcome":{"phase":"done"}}}`+"\n"); err != nil {
		t.Fatal(err)
	}
	if last := <-ended; !last.Absent || len(last.Copies) > 0 {
		t.Errorf("%+v", last)
	}
}

// What a server of fleet 1 answers is understood as far as it goes.
func TestClientOfAServerOfFleet1(t *testing.T) {
	answers := map[string]string{
		"GET /fleet/v1/units":                        `{"nextPageToken":"ZAACAA==","units":[{"currentState":"launched","desiredState":"launched","machineID":"m","name":"a.service"}]}`,
		"GET /fleet/v1/units?nextPageToken=ZAACAA==": `{"nextPageToken":"ZAADAA==","units":[{"desiredState":"launched","name":"g.service"}]}`,
		"GET /fleet/v1/units?nextPageToken=ZAADAA==": `{}`,
		"GET /fleet/v1/state":                        `{}`,
		"GET /fleet/v1/machines":                     `{"machines":[{"id":"m","primaryIP":"10.0.0.1"}]}`,
		"PUT /fleet/v1/units/a.service":              "",
		"DELETE /fleet/v1/units/a.service":           "",
	}
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "fleetd/1.0.0")
		w.Header().Set("Content-Type", "application/json")
		target, _ := url.QueryUnescape(r.URL.RequestURI())
		switch answer, ok := answers[r.Method+" "+target]; {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
			_, _ = io.WriteString(w, `{"error":{"code":404,"message":""}}`)
		case answer == "":
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = io.WriteString(w, answer)
		}
	}))
	defer h.Close()
	c, ctx := dial(t, h.URL), t.Context()
	if units, err := c.Units(ctx); err != nil || len(units) != 2 || units[0].CurrentState != cluster.Launched || units[1].Name != "g.service" {
		t.Errorf("units: %+v, %v", units, err)
	}
	if states, err := c.States(ctx); err != nil || len(states) != 0 {
		t.Errorf("states: %+v, %v", states, err)
	}
	if machines, err := c.Machines(ctx); err != nil || len(machines) != 1 || machines[0].PrimaryIP != "10.0.0.1" {
		t.Errorf("machines: %+v, %v", machines, err)
	}
	if result, err := c.SetDesired(ctx, "a.service", cluster.Launched); err != nil || result != (api.Result{}) {
		t.Errorf("set: %+v, %v", result, err)
	}
	if _, err := c.Destroy(ctx, "a.service"); err != nil {
		t.Errorf("destroy: %v", err)
	}
	if version, err := c.Version(ctx); err != nil || version != "1.0.0" {
		t.Errorf("version: %q, %v", version, err)
	}
	if _, err := c.PutFile(ctx, "a.service", []byte(sleepUnit), api.PutFileOptions{}); !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a call that it has not: %v", err)
	}
	err := c.Events(ctx, api.EventsOptions{}, func(api.Event) error { return nil })
	if !errors.Is(err, api.ErrNotFound) {
		t.Errorf("a stream that it has not: %v", err)
	}
}
