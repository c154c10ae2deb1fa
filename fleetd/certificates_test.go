package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// checked runs fleetd --check.
func checked(t *testing.T, config string) (code int, said string) {
	t.Helper()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	var stdout bytes.Buffer
	code = fleetd([]string{"--check", "--config", writeConfig(t, config)}, nil, &stdout, stderr)
	raw, err := os.ReadFile(stderr.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, stdout.String() + string(raw)
}

// TestCheckLoadsTheCertificateFiles: what a start would fail with, and what others would not take.
func TestCheckLoadsTheCertificateFiles(t *testing.T) {
	ours, theirs := newAuthority(t, "ca"), newAuthority(t, "ca")
	ours.issue("a", ours)
	ours.issue("b", ours)
	config := func(cert, key, ca, rest string) string {
		return fmt.Sprintf("api_certfile = %s\napi_keyfile = %s\napi_cafile = %s\n%s\n", cert, key, ca, rest)
	}
	cert, key, ca := ours.path("a.crt"), ours.path("a.key"), ours.path("ca.crt")
	open := filepath.Join(t.TempDir(), "open.key")
	raw, err := os.ReadFile(key)
	if err == nil {
		err = os.WriteFile(open, raw, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	const (
		here  = "api_listen = https://0.0.0.0:7443\npublic_ip = 127.0.0.1"
		other = "api_listen = https://0.0.0.0:7443\npublic_ip = 10.9.9.9"
	)
	for title, c := range map[string]struct {
		config string
		code   int
		says   []string // nothing else
	}{
		"good":                    {config(cert, key, ca, here), 0, nil},
		"no key":                  {config(cert, key+"x", ca, here), 2, []string{"api_keyfile = " + key + "x (", ":2): open ", "no such file"}},
		"another's key":           {config(cert, ours.path("b.key"), ca, here), 2, []string{"private key does not match public key"}},
		"a key for an authority":  {config(cert, key, key, here), 2, []string{"api_cafile = " + key, "has no certificate"}},
		"a key that is not so":    {config(cert, open, ca, here), 0, []string{"warning: api_keyfile = " + open, "its mode is 0644"}},
		"another address":         {config(cert, key, ca, other), 0, []string{"warning: api_certfile = " + cert, "at https://10.9.9.9:7443, which this machine announces", "valid for 127.0.0.1, not 10.9.9.9"}},
		"another name":            {config(cert, key, ca, other+"\napi_advertise = https://a.example.com:7443"), 0, []string{"https://a.example.com:7443", "to match a.example.com"}},
		"another authority":       {config(cert, key, theirs.path("ca.crt"), here), 0, []string{"other fleetds will not answer to it", "unknown authority"}},
		"nobody else is to reach": {config(cert, key, ca, "api_listen = https://localhost:7443\npublic_ip = 10.9.9.9"), 0, nil},
		"etcd's":                  {fmt.Sprintf("etcd_servers = https://10.0.0.1:2379\netcd_certfile = %s\netcd_keyfile = %sx\netcd_cafile = %s\n", cert, key, key), 2, []string{"etcd_keyfile = ", "no such file", "etcd_cafile = " + key}},
	} {
		t.Run(title, func(t *testing.T) {
			code, said := checked(t, c.config)
			if code != c.code || len(c.says) == 0 && said != "" {
				t.Errorf("exit code %d, want %d; it says %q", code, c.code, said)
			}
			for _, text := range c.says {
				if !strings.Contains(said, text) {
					t.Errorf("it says %q, want %q in it", said, text)
				}
			}
		})
	}
}
