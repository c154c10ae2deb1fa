package main

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestEndpointsThatAreNoFleetd: whoever listens there and is no fleetd must not be taken at its word, nor waited for for ever.
func TestEndpointsThatAreNoFleetd(t *testing.T) {
	run := func(endpoint string, args ...string) (exitCode, string) {
		var out, log bytes.Buffer
		a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &log, getenv: func(string) string { return "" }}
		code := a.run(t.Context(), append([]string{"--endpoint", endpoint, "--request-timeout", "0.2"}, args...))
		if out.Len() > 0 {
			t.Errorf("%v: it says %q", args, &out)
		}
		return code, log.String()
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0") // connections are made, and that is all
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	for _, args := range [][]string{
		{"top"},
		{"events"},
		{"list-units"},
		{"status", "web"},
		{"stop", "web"},
		{"wait", "--for=gone", "web"},
		{"journal", "web"},
		{"cat", "web"},
	} {
		if code, said := run("http://"+mute.Addr().String(), args...); code != exitUnreachable || !strings.Contains(said, "within 200ms") || !strings.Contains(said, "Hint: ") {
			t.Errorf("%v, mute: exit code %d, %s", args, code, said)
		}
		if code, said := run(other.URL, args...); code != exitUnreachable || !strings.Contains(said, "not a fleetd") || !strings.Contains(said, "Hint: ") {
			t.Errorf("%v, another server: exit code %d, %s", args, code, said)
		}
	}
}
