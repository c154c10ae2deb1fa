package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestBash completes lines in bash itself, which divides words at "@" and ":".
func TestBash(t *testing.T) {
	const library = "/usr/share/bash-completion/bash_completion"
	if _, err := os.Stat(library); err != nil {
		t.Skip("bash-completion is not installed")
	}
	d := &daemon{world: newWorld(), socket: filepath.Join(t.TempDir(), "fleet.sock")}
	t.Cleanup(d.world.close)
	d.up()
	t.Cleanup(d.down)
	t.Setenv("FLEETCTL_ENDPOINT", "unix://"+d.socket)
	dir := t.TempDir()
	for _, name := range []string{"web@1.service", "web@2.service", "dev-a:b.mount", "db.service"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("[Service]\nExecStart=/bin/true\n[Mount]\nWhat=x\nWhere=/y\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "fleetctl", "submit", path)
	}
	var script bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &script, stderr: io.Discard, getenv: func(string) string { return "" }}
	if code := a.run(t.Context(), []string{"completion", "bash"}); code != exitOK {
		t.Fatalf("exit code %d", code)
	}
	for _, c := range []struct{ words, want string }{
		{"fleetctl stop w", "web@1.service web@2.service"},
		{"fleetctl stop web @ 1", "1.service"},
		{"fleetctl stop web @", "1.service 2.service"}, // the "@" stays
		{"fleetctl stop db.service dev-a : b", "b.mount"},
		{"fleetctl rebalance --goal = f", "free"},
	} {
		words := strings.Fields(c.words)
		line := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(c.words, " @ ", "@"), " : ", ":"), " = ", "=")
		line = strings.ReplaceAll(line, " @", "@")
		bash := exec.Command("bash", "-c", fmt.Sprintf(`source %s; source /dev/stdin; compopt() { :; }
			COMP_WORDBREAKS=$' \t\n"\'@><=;|&(:'
			COMP_WORDS=(%s) COMP_CWORD=%d COMP_LINE='%s' COMP_POINT=%d COMP_TYPE=9 COMP_KEY=9
			__start_fleetctl fleetctl; for reply in "${COMPREPLY[@]}"; do echo ${reply%%%% *}; done`,
			library, c.words, len(words)-1, line, len(line)))
		bash.Stdin = bytes.NewReader(script.Bytes())
		out, err := bash.CombinedOutput()
		if got := strings.Join(strings.Fields(string(out)), " "); err != nil || got != c.want {
			t.Errorf("%q: %q, %v; want %q", line, got, err, c.want)
		}
	}
}
