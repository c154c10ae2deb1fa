package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"fleet/api"
)

// pipes is a listener without a network, so that time can be a bubble's.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	if conn, ok := <-p; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

func (p pipes) dial() net.Conn {
	client, server := net.Pipe()
	p <- server
	return client
}

// serveIn serves h in a bubble until the test ends.
func serveIn(t *testing.T, h http.Handler, request time.Duration) pipes {
	p := make(pipes)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, []net.Listener{p}, h, request, slog.New(slog.DiscardHandler)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return p
}

func TestAClientThatStopsInTheMiddleIsGivenUp(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err != nil {
			return
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
	})
	for about, sent := range map[string]string{
		"before it has asked":  "GET /fleet/v1/units HTTP/1.1\r\nHost: x",
		"in the body":          "PUT /fleet/v1/units/a.service HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
		"before it has read":   "GET /fleet/v1/units HTTP/1.1\r\nHost: x\r\n\r\n",
		"before it asks again": "",
	} {
		t.Run(about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := serveIn(t, answer, time.Minute).dial()
				defer conn.Close()
				if _, err := io.WriteString(conn, sent); err != nil {
					t.Fatal(err)
				}
				// The server is not waited for with a read, which would take its answer.
				conn.SetWriteDeadline(time.Now().Add(10 * time.Minute))
				start := time.Now()
				if sent == "" || strings.HasSuffix(sent, "x") || strings.HasSuffix(sent, "{") {
					_, _ = io.Copy(io.Discard, conn)
				} else if _, err := io.WriteString(conn, "more than is ever read"); err == nil {
					t.Error("the server has read on")
				}
				if waited := time.Since(start); waited > 5*time.Minute {
					t.Errorf("the connection was kept for %v", waited)
				}
			})
		})
	}
}

// A fleetd that nobody asks is not to follow the cluster because of its own watchdog.
func TestTheWatchdogHasNothingFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := api.New(empty{}, api.Options{Follow: api.Follow{Count: func(context.Context) (int, error) { return 1000, nil }}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- server.Run(ctx) }()
		alive := aliveProbe(server.Handler())
		for range 100 {
			time.Sleep(10 * time.Second)
			if err := alive(ctx); err != nil {
				t.Fatal(err)
			}
		}
		if server.Load().Following {
			t.Error("it does")
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
