package agent

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

func TestMemorySurvivesInTheStateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not", "yet", "there", "agent.json")
	a, err := New(deaf{}, Options{StateFile: path, BootID: "b1"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[unit.Name]reconcile.Memory{
		"a.service": {
			Content: "A", Generation: 5, Restart: 4, Tried: 6, Job: unit.JobDone,
			Intent:  reconcile.Intent{Generation: 6, Restart: 6, Before: "i1"},
			Failure: reconcile.Failure{Generation: 6, Error: "no bus", Attempts: 2, Retry: time.Unix(100, 0).UTC()},
		},
		"b.service": {},
	}
	for name, m := range want {
		a.board.Memory[name] = m
		a.board.saved++
	}
	if err := a.save(); err != nil {
		t.Fatal(err)
	}
	s := store{path: path, boot: "b1"}
	if got, err := s.load(); err != nil || !maps.Equal(got, want) {
		t.Errorf("load() = %+v, %v; want %+v", got, err, want)
	}
	s.boot = "b2"
	if got, err := s.load(); err != nil || len(got) != 0 {
		t.Errorf("after a reboot: %+v, %v", got, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	if err != nil || len(left) != 1 {
		t.Errorf("files left: %v, %v", left, err)
	}
}

func TestAnUnreadableStateFileIsNoMemory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "agent.json")
	for _, text := range []string{"", "{", "null", `{"version":99,"units":{"a.service":{}}}`, `{"version":1,"units":[]}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s := store{path: path}
		got, err := s.load()
		if err == nil || got == nil || len(got) != 0 {
			t.Errorf("%q: %v, %v; want no memory and an error", text, got, err)
		}
	}
}

// deaf is a systemd that is never called.
type deaf struct{ Systemd }

func TestARestartIsNotQueuedWithoutANoteOfIt(t *testing.T) {
	dir := t.TempDir()
	a, err := New(deaf{}, Options{StateFile: filepath.Join(dir, "file", "agent.json")})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil { // where a directory should be
		t.Fatal(err)
	}
	a.board.saved++
	a.job(t.Context(), reconcile.Step{Unit: "a.service", Kind: reconcile.Restart}, cluster.Session{}) // a call of deaf panics
	if r := a.board.request.ended["a.service"]; r.Err == nil || r.Interrupted {
		t.Errorf("result %+v, want the error of the state file", r)
	}
}
