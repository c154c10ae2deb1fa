package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestProfilesAreOnTheUnixSocketAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fleet.sock")
	socket, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v, %v", info.Mode(), err)
	}
	tcp, err := listenTCP(Settings{APIListen: "http://127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	api := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/debug") {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, "the API")
	})
	go func() {
		served <- serve(ctx, []net.Listener{socket, tcp}, api, time.Minute, slog.New(slog.DiscardHandler))
	}()
	overSocket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}
	overTCP := &http.Transport{}
	ask := func(over *http.Transport, path string) (int, string) {
		t.Helper()
		answer, err := (&http.Client{Transport: over}).Get("http://" + tcp.Addr().String() + path)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	for path, has := range map[string]string{
		"/debug/pprof/":                   "full goroutine stack dump",
		"/debug/pprof/goroutine?debug=1":  "TestProfilesAreOnTheUnixSocketAlone",
		"/debug/pprof/heap":               "",
		"/debug/pprof/allocs?debug=1":     "heap profile",
		"/debug/pprof/cmdline":            filepath.Base(os.Args[0]),
		"/debug/pprof/symbol":             "num_symbols",
		"/debug/pprof/trace?seconds=0.01": "",
		"/debug/pprof/profile?seconds=1":  "",
	} {
		if code, text := ask(overSocket, path); code != http.StatusOK || !strings.Contains(text, has) || text == "" {
			t.Errorf("%s on the unix socket: %d, %.100q", path, code, text)
		}
		if code, _ := ask(overTCP, path); code != http.StatusNotFound {
			t.Errorf("%s on TCP: %d", path, code)
		}
	}
	for _, over := range []*http.Transport{overSocket, overTCP} {
		if code, text := ask(over, "/fleet/v1/units"); code != http.StatusOK || text != "the API" {
			t.Errorf("a request to the API: %d, %q", code, text)
		}
		over.CloseIdleConnections()
	}
	cancel()
	if err := <-served; err != nil {
		t.Errorf("serve ended with %v", err)
	}
}
