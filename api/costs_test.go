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
	before := runtime.NumGoroutine()
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
	now, last := runtime.NumGoroutine(), 0
	for now != last { // those that watch the connections come a moment later
		time.Sleep(100 * time.Millisecond)
		now, last = runtime.NumGoroutine(), now
	}
	costs.Check(t, "goroutines of an event stream", float64(now-before)/streams)
}
