package systemdtest

import (
	"context"
	"errors"
	"testing"
	"time"

	"fleet/systemd"
	"fleet/unit"
)

// load loads one unit, and expects the load state given, or "loaded".
func load(t *testing.T, s Systemd, n unit.Name, text string, want ...string) {
	t.Helper()
	failed, err := s.Load(t.Context(), map[unit.Name][]byte{n: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	var le *systemd.LoadError
	switch {
	case len(want) == 0 && failed[n] != nil:
		t.Fatal(failed[n])
	case len(want) > 0 && (!errors.As(failed[n], &le) || le.State != want[0]):
		t.Fatalf("load %s: %v, want %s", n, failed[n], want[0])
	}
}

func unload(t *testing.T, s Systemd, names ...unit.Name) {
	t.Helper()
	failed, err := s.Unload(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	for n, err := range failed {
		t.Errorf("unload %s: %v", n, err)
	}
}

func runJob(t *testing.T, do func(context.Context, unit.Name) (unit.JobResult, error), n unit.Name, want unit.JobResult) {
	t.Helper()
	r, err := do(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	if r != want {
		t.Fatalf("job of %s ended %q, want %q", n, r, want)
	}
}

func state(t *testing.T, s Systemd, n unit.Name) unit.State {
	t.Helper()
	states, err := s.States(t.Context(), []unit.Name{n})
	if err != nil {
		t.Fatal(err)
	}
	return states[n]
}

// eventually waits, by the bell alone, for a state of the unit.
func eventually(t *testing.T, s Systemd, n unit.Name, is func(unit.State) bool) unit.State {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for {
		st := state(t, s, n)
		if is(st) {
			return st
		}
		if _, _, err := s.Wait(ctx); err != nil {
			t.Fatalf("%s is still %+v: %v", n, st, err)
		}
	}
}
