package api_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/costs"
)

// The clients have no goroutines here, so those that come are the server's.
func TestWhatAStreamTakes(t *testing.T) {
	const streams = 100
	server := api.New(nil, api.Options{})
	api.Feed(server, cluster.Update{Revision: 1, Reset: true})
	web := httptest.NewServer(server.Handler())
	defer web.Close()
	before := goroutines()
	for range streams {
		conn, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /fleet/v1/events HTTP/1.1\r\nHost: fleet\r\n\r\n")
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		for lines := bufio.NewScanner(conn); ; {
			if !lines.Scan() {
				t.Fatalf("the stream ended: %v", lines.Err())
			}
			if strings.Contains(lines.Text(), `"sync"`) {
				break
			}
		}
	}
	if got := server.Load().Streams; got != streams {
		t.Fatalf("%d streams are open, and there should be %d", got, streams)
	}
	costs.Check(t, "goroutines of an event stream", float64(goroutines()-before)/streams)
}

// goroutines counts them when none has come or gone for a while: those of earlier tests end by and by.
func goroutines() int {
	n := runtime.NumGoroutine()
	for since := time.Now(); time.Since(since) < 200*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if now := runtime.NumGoroutine(); now != n {
			n, since = now, time.Now()
		}
	}
	return n
}
