package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// empty is the store of a cluster in which nothing is, and whose writes take as long as they may.
type empty struct{}

func (empty) Follow(ctx context.Context, fn func(cluster.Update) error) error {
	if err := fn(cluster.Update{Revision: 1, Reset: true}); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (empty) UpdateUnit(ctx context.Context, _ unit.Name, _ func(*cluster.Unit) (*cluster.UnitEdit, error)) (cluster.Unit, error) {
	<-ctx.Done()
	return cluster.Unit{}, ctx.Err()
}

func (empty) UpdateSettings(ctx context.Context, _ cluster.MachineID, _ func(cluster.Settings) (cluster.Settings, error)) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func (empty) Acknowledge(ctx context.Context, _ cluster.AlarmName, _ time.Time) (int64, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

// limitedAPI is the API with settings, running until the test ends.
func limitedAPI(t *testing.T, s Settings) http.Handler {
	server := api.New(empty{}, api.Options{Limits: s.apiLimits()})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return server.Handler()
}

func TestAClientOfTheSocketIsAUser(t *testing.T) {
	s := Defaults(true, os.Getenv)
	s.APIMaxStreams = 2
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	h := limitedAPI(t, s)
	go func() { done <- serve(ctx, []net.Listener{l}, h, time.Minute, slog.New(slog.DiscardHandler)) }()
	defer func() { cancel(); <-done }()
	client := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}}
	defer client.CloseIdleConnections()
	get := func() *http.Response {
		resp, err := client.Get("http://fleet/fleet/v1/events")
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for start := time.Now(); ; { // until the server has read its cluster
		resp := get()
		if resp.StatusCode == http.StatusOK {
			defer resp.Body.Close()
			break
		}
		resp.Body.Close()
		if time.Since(start) > 10*time.Second {
			t.Fatal("the server is not ready")
		}
	}
	second := get()
	third := get()
	defer third.Body.Close()
	body, _ := io.ReadAll(third.Body)
	want := fmt.Sprintf("the user with uid %d has as many streams open as the limit allows one client, 2 (api_max_streams of fleetd)", os.Getuid())
	if third.StatusCode != http.StatusTooManyRequests || third.Header.Get("Retry-After") == "" || !strings.Contains(string(body), want) {
		t.Errorf("the third stream: %s, Retry-After %q, %s", third.Status, third.Header.Get("Retry-After"), body)
	}
	second.Body.Close()
	for start := time.Now(); ; { // until the server has seen that
		resp := get()
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			break
		}
		if time.Since(start) > 10*time.Second {
			t.Fatal("a stream that was left still counts")
		}
	}
}

// Whoever is too slow, or asks for what takes too long, is told which limit that was.
func TestWhatTakesTooLongIsToldSo(t *testing.T) {
	for about, c := range map[string]struct{ sent, code, says string }{
		"a body that does not come": {
			"PUT /fleet/v1/units/a.service/file HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n[Service",
			"408 Request Timeout", "the unit file did not arrive within the limit of 20s (api_request_timeout of fleetd)",
		},
		"a store that does not answer": {
			"DELETE /fleet/v1/units/a.service HTTP/1.1\r\nHost: x\r\n\r\n",
			"503 Service Unavailable", "not done within the limit of 20s (api_request_timeout of fleetd)",
		},
		"a header that is too large": {
			"GET /fleet/v1/units HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 70_000) + "\r\n\r\n",
			"431 Request Header Fields Too Large", "more than the limit of 65536 bytes (api_max_header of fleetd)",
		},
		"a long URL": {
			"GET /fleet/v1/units?" + strings.Repeat("x", 70_000) + " HTTP/1.1\r\nHost: x\r\n\r\n",
			"431 Request Header Fields Too Large", "more than the limit of 65536 bytes (api_max_header of fleetd)",
		},
	} {
		t.Run(about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := Defaults(true, os.Getenv)
				s.APIRequestTimeout = 20 * time.Second
				h := limitedAPI(t, s)
				synctest.Wait()
				conn := serveIn(t, h, s.APIRequestTimeout).dial()
				defer conn.Close()
				start := time.Now()
				go func() { _, _ = io.WriteString(conn, c.sent) }()
				answer := make([]byte, 64<<10)
				n, err := io.ReadAtLeast(conn, answer, 200)
				if err != nil {
					t.Fatal(err)
				}
				got := string(answer[:n])
				if !strings.HasPrefix(got, "HTTP/1.1 "+c.code) || !strings.Contains(got, c.says) || !strings.Contains(got, "application/json") {
					t.Errorf("%s, want %s and %q", got, c.code, c.says)
				}
				if waited := time.Since(start); waited > 30*time.Second {
					t.Errorf("answered after %v", waited)
				}
			})
		})
	}
}

// A stream is not cut off by the limit of what a request may take.
func TestAStreamMayTakeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := Defaults(true, os.Getenv)
		h := limitedAPI(t, s)
		synctest.Wait()
		conn := serveIn(t, h, s.APIRequestTimeout).dial()
		defer conn.Close()
		go func() { _, _ = io.WriteString(conn, "GET /fleet/v1/events HTTP/1.1\r\nHost: x\r\n\r\n") }()
		start, pings := time.Now(), 0
		answer := make([]byte, 64<<10)
		for pings < 40 {
			n, err := conn.Read(answer)
			if err != nil {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			pings += strings.Count(string(answer[:n]), `"ping"`)
		}
		if time.Since(start) < 9*time.Minute {
			t.Errorf("%d pings in %v", pings, time.Since(start))
		}
	})
}

func TestLimitsHaveLimits(t *testing.T) {
	for given, says := range map[string]string{
		"--api-max-body=1K":             "api_max_body = 1K (--api-max-body): expect 64K to 64M",
		"--api-max-body=much":           "--api-max-body: expect a size",
		"--api-max-header=1M":           "api_max_header = 1M (--api-max-header): expect 16K to 512K",
		"--api-max-header=8K":           "expect 16K to 512K", // fleetctl asks for 200 units at a time
		"--api-max-streams=0":           "api_max_streams = 0 (--api-max-streams): expect at least 1",
		"--api-max-writes=0":            "api_max_writes = 0 (--api-max-writes): expect at least 1",
		"--api-follow-machines=-1":      "api_follow_machines = -1 (--api-follow-machines): expect a number of machines, 0 to 1000000",
		"--api-follow-machines=2000000": "expect a number of machines, 0 to 1000000",
		"--api-follow-machines=always":  "--api-follow-machines: ",
		"--etcd-quota=1M":               "etcd_quota = 1M (--etcd-quota): expect 64M to 8G",
		"--api-request-timeout=100ms":   "api_request_timeout = 100ms (--api-request-timeout): expect 1s to 1h",
		"--api-request-timeout=always":  "--api-request-timeout: expect a duration",
	} {
		if _, err := parse([]string{given, "--config=/dev/null"}, nil, true); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", given, err, says)
		}
	}
	inv, err := parse([]string{"--api-max-body=4M", "--api-max-header=32K", "--api-max-streams=7", "--api-max-writes=20", "--api-request-timeout=90", "--config=/dev/null"}, nil, true)
	want := api.Limits{Body: 4 << 20, Header: 32 << 10, Streams: 7, Writes: 20, Request: 90 * time.Second}
	if err != nil || inv.settings.apiLimits() != want {
		t.Errorf("%+v, %v", inv.settings.apiLimits(), err)
	}
}
