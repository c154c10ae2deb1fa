package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOneDaemonPerStateDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "fleet")
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockDir(dir); err == nil || !strings.Contains(err.Error(), "another fleetd") {
		t.Errorf("a second daemon on %s: error %v", dir, err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	unlock, err = lockDir(dir)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	unlock()
}

func TestMachineIDMustBeOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "machine-id")
	for content, good := range map[string]bool{
		"0123456789abcdef0123456789abcdef\n": true,
		"":                                   false,
		"uninitialized\n":                    false,
		"0123456789ABCDEF0123456789ABCDEF":   false,
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := machineID(path); (err == nil) != good {
			t.Errorf("machine id %q: error %v", content, err)
		}
	}
}
