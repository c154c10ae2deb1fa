package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// TestServersCertificateIsVerified, whether an authority is given or not.
func TestServersCertificateIsVerified(t *testing.T) {
	w := newWorld()
	defer w.close()
	handler, stop := w.serve("2.0.0")
	defer stop()
	listener := httptest.NewUnstartedServer(handler)
	listener.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	var demands atomic.Bool // a certificate of the client
	listener.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		own := listener.TLS.Clone()
		own.GetConfigForClient = nil
		if demands.Load() {
			own.ClientAuth = tls.RequireAnyClientCert
		}
		return own, nil
	}
	listener.StartTLS()
	defer listener.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: listener.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o600); err != nil {
		t.Fatal(err)
	}

	endpoint := listener.URL
	run := func(args ...string) (exitCode, string, string) {
		var stdout, stderr bytes.Buffer
		a := &app{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
		code := a.run(t.Context(), append([]string{"--endpoint", endpoint, "list-machines"}, args...))
		return code, stdout.String(), stderr.String()
	}
	if code, stdout, stderr := run("--ca-file", ca); code != exitOK || !strings.Contains(stdout, "10.0.0.1") {
		t.Errorf("the authority is given: exit code %d, %s%s", code, stdout, stderr)
	}
	if code, stdout, stderr := run(); code != exitUnreachable || stdout != "" || !strings.Contains(stderr, "--ca-file") {
		t.Errorf("no authority is given: exit code %d, %s%s", code, stdout, stderr)
	}
	demands.Store(true)
	if code, stdout, stderr := run("--ca-file", ca); code != exitUnreachable || stdout != "" || !strings.Contains(stderr, "--cert-file") {
		t.Errorf("the server demands a certificate: exit code %d, %s%s", code, stdout, stderr)
	}
	endpoint = strings.Replace(endpoint, "https:", "http:", 1)
	if code, stdout, stderr := run(); code != exitUnreachable || stdout != "" || !strings.Contains(stderr, "write https://") {
		t.Errorf("http:// for https://: exit code %d, %s%s", code, stdout, stderr)
	}
}

// TestMoreUnitsThanTheStreamsURLHolds: one command for hundreds of units ends for each of them.
func TestMoreUnitsThanTheStreamsURLHolds(t *testing.T) {
	w := newWorld()
	defer w.close()
	handler, stop := w.serve("2.0.0")
	defer stop()
	listener := httptest.NewServer(handler)
	defer listener.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "web@.service"), []byte("[Service]\nExecStart=/bin/web\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--endpoint", listener.URL, "start"}
	const units = maxNames + 50
	for i := range units {
		args = append(args, filepath.Join(dir, fmt.Sprintf("web@%d.service", i)))
	}
	var stdout, stderr bytes.Buffer
	a := &app{stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
	code := a.run(t.Context(), args)
	if got := strings.Count(stdout.String(), " launched on "); code != exitOK || got != units {
		t.Errorf("exit code %d, %d of %d units launched; %s", code, got, units, stderr.String())
	}
}
