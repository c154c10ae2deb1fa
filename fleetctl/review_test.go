package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/unit"
)

// inFront runs fleetctl in front of a person who types answers.
func inFront(t *testing.T, endpoint, answers string, env map[string]string, args ...string) (string, exitCode) {
	t.Helper()
	person, terminal := terminalPair(t)
	if _, err := io.WriteString(person, answers); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &app{stdin: terminal, stdout: &out, stderr: terminal, getenv: func(key string) string { return env[key] }}
	code := a.run(t.Context(), append([]string{"--endpoint", endpoint}, args...))
	return out.String(), code
}

// write makes a file of a test.
func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestWhatRunsIsReplacedAfterAYes: a directory may hold more than the person has in mind.
func TestWhatRunsIsReplacedAfterAYes(t *testing.T) {
	run, _, endpoint := newCaller(t)
	dir := t.TempDir()
	file := filepath.Join(dir, "web.service")
	write(t, file, "[Service]\nExecStart=/bin/web\n", 0o644)
	run.must(t, "", "start", dir)
	write(t, file, "[Service]\nExecStart=/bin/other\n", 0o644)
	for _, step := range []struct {
		answer string
		code   exitCode
		runs   string
	}{
		{"n\n", exitRefused, "/bin/web"},
		{"\x04", exitRefused, "/bin/web"},
		{"y\n", exitOK, "/bin/other"},
	} {
		out, code := inFront(t, endpoint, step.answer, nil, "start", "--replace", dir)
		if code != step.code || !strings.Contains(out, "~ web.service  would change on") {
			t.Errorf("answer %q: exit code %d, want %d\n%s", step.answer, code, step.code, out)
		}
		if got := run.must(t, "", "cat", "web"); !strings.Contains(got, step.runs) {
			t.Errorf("answer %q: the cluster has %s", step.answer, got)
		}
	}
}

// TestAMistakeIsEditedAgain: until there is none, or the person has had enough.
func TestAMistakeIsEditedAgain(t *testing.T) {
	run, _, endpoint := newCaller(t)
	run.must(t, "[Service]\nExecStart=/bin/web\n", "submit", "--name", "web.service", "-")
	editor := write(t, filepath.Join(t.TempDir(), "editor"), `#!/bin/sh
if grep -q nonsense "$1"; then printf '[Service]\nExecStart=/bin/better\n' >"$1"; else echo nonsense >"$1"; fi
`, 0o755)
	t.Setenv("TMPDIR", t.TempDir())
	env := map[string]string{"EDITOR": editor}
	if out, code := inFront(t, endpoint, "n\n", env, "edit", "web"); code != exitError {
		t.Errorf("given up: exit code %d\n%s", code, out)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*", "web.service")); len(left) != 1 {
		t.Errorf("given up: kept are %v", left)
	}
	if out, code := inFront(t, endpoint, "\n", env, "edit", "web"); code != exitOK {
		t.Errorf("edited again: exit code %d\n%s", code, out)
	}
	if got := run.must(t, "", "cat", "web"); !strings.Contains(got, "/bin/better") {
		t.Errorf("the cluster has %s", got)
	}
}

func TestManyUnitsAreToldByAFew(t *testing.T) {
	got := wouldChange([]unit.Name{"a.service", "b.service", "c.service", "d.service", "e.service", "f.service", "g.service"})
	if want := "7 running units would change: a.service, b.service, c.service, d.service, e.service, 2 more"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
