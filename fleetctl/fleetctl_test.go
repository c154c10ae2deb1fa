package main

import (
	"bytes"
	"context"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func TestAgo(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                 "0s",
		59 * time.Second:             "59s",
		61 * time.Second:             "1min 1s",
		3*time.Hour + 59*time.Second: "3h 0min",
		49 * time.Hour:               "2 days 1h",
	} {
		if got := ago(d); got != want {
			t.Errorf("ago(%s) = %q, want %q", d, got, want)
		}
	}
}

func TestSeconds(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3": 3 * time.Second, "0.5": time.Second / 2, "1m30s": 90 * time.Second, "0": 0,
	} {
		var s seconds
		if err := s.Set(text); err != nil || time.Duration(s) != want {
			t.Errorf("Set(%q): %v, %v; want %s", text, time.Duration(s), err, want)
		}
	}
	for _, text := range []string{"", "soon", "-1", "-3s", "NaN", "1e300"} {
		var s seconds
		if err := s.Set(text); err == nil {
			t.Errorf("Set(%q) took it as %s", text, time.Duration(s))
		}
	}
}

// TestFreshCountsFromTheStart: a unit that has run for long is not watched any
// longer, so that "start" of it returns at once.
func TestFreshCountsFromTheStart(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	running := api.Copy{Active: "active", Sub: "running", ObservedAt: at, StateSince: at.Add(-100 * time.Millisecond)}
	if got, want := fresh(api.Unit{Copies: []api.Copy{running}}), grace-100*time.Millisecond; got != want {
		t.Errorf("started 100ms before it was observed: watched for %s, want %s", got, want)
	}
	running.StateSince = at.Add(-time.Hour)
	exited := api.Copy{Active: "active", Sub: "exited", ObservedAt: at, StateSince: at}
	if got := fresh(api.Unit{Copies: []api.Copy{running, exited}}); got > 0 {
		t.Errorf("nothing that could die at once: watched for %s", got)
	}
}

// TestProgressFitsTheLine: what is waited for is shown in one line, and leaves none behind.
func TestProgressFitsTheLine(t *testing.T) {
	var screen bytes.Buffer
	a := &app{stderr: &screen}
	x := newWaiter(a, &watch{first: map[unit.Name]api.Unit{}}, []*request{{unit: "a.service", goal: goalLaunched}, {unit: "b.service", goal: goalLaunched}})
	x.newest["a.service"] = api.Unit{Name: "a.service", Outcome: &api.Outcome{Phase: cluster.Working, Message: "waiting for the engine to choose a machine"}}
	p := &progress{app: a, width: 60}
	p.show(x.progress())
	p.clear()
	p.clear()
	want := "\r\x1b[K0/2 done; waiting for a.service: waiting for the engine to…\r\x1b[K"
	if got := screen.String(); got != want {
		t.Errorf("the terminal got %q, want %q", got, want)
	}
}

// TestNoProgressForPrograms: whoever reads stderr in a script gets no control characters.
func TestNoProgressForPrograms(t *testing.T) {
	var log bytes.Buffer
	p := newProgress(&app{stderr: &log}, 100)
	defer p.stop()
	if p.due() != nil {
		t.Error("progress is due although stderr is no terminal")
	}
}

func TestWorstCodeIsKept(t *testing.T) {
	err := withCode(remote(&api.Error{Code: 404}), exitFailed)
	a := &app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}, getenv: func(string) string { return "" }}
	if code := a.run(context.Background(), []string{"no-such-command"}); code != exitUsage {
		t.Errorf("unknown command: exit code %d", code)
	}
	if got := err.(*fault).code; got != exitFailed {
		t.Errorf("not found beside failed: exit code %d, want %d", got, exitFailed)
	}
	if withCode(nil, exitOK) != nil {
		t.Error("nothing went wrong, and that is an error")
	}
}
