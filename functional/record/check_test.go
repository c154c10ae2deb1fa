package record

import (
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"fleet/unit"
)

// made is a record as it could be, with times in seconds.
func made(kind Kind, host string, start, end float64) Run {
	return Run{Unit: "a.service", Kind: kind, Host: host, Invocation: host, Start: at(start), End: at(end)}
}

func at(seconds float64) Moment { return Moment(seconds * float64(time.Second)) }

func TestOverlapsAreFound(t *testing.T) {
	for _, c := range []struct {
		what   string
		runs   []Run
		pauses []Pause
		want   []time.Duration
	}{
		{"one after the other", []Run{made(AtMostOnce, "h1", 1, 2), made(AtMostOnce, "h2", 2, 0)}, nil, nil},
		{"a millisecond too early", []Run{made(AtMostOnce, "h1", 1, 2), made(AtMostOnce, "h2", 1.999, 0)}, nil, []time.Duration{time.Millisecond}},
		{"whatever order they are given in", []Run{made(AtMostOnce, "h2", 1.999, 0), made(AtMostOnce, "h1", 1, 2)}, nil, []time.Duration{time.Millisecond}},
		{"the first never ended", []Run{made(AtMostOnce, "h1", 1, 0), made(AtMostOnce, "h2", 4, 5)}, nil, []time.Duration{time.Second}},
		{"neither ended", []Run{made(Plain, "h1", 1, 0), made(Plain, "h2", 4, 0)}, nil, []time.Duration{6 * time.Second}},
		{"one inside the other", []Run{made(Plain, "h1", 1, 9), made(Plain, "h2", 4, 5)}, nil, []time.Duration{time.Second}},
		{"not the one before, but the one before that", []Run{made(AtMostOnce, "h1", 1, 9), made(AtMostOnce, "h2", 2, 3), made(AtMostOnce, "h3", 4, 5)}, nil, []time.Duration{time.Second, time.Second}},
		{"a host beside itself is systemd's affair", []Run{made(AtMostOnce, "h1", 1, 3), made(AtMostOnce, "h1", 2, 4)}, nil, nil},
		{"global units are everywhere", []Run{made(Global, "h1", 1, 0), made(Global, "h2", 1, 0)}, nil, nil},
		{"of a host that stood still", []Run{made(AtMostOnce, "h1", 1, 8), made(AtMostOnce, "h2", 4, 0)}, []Pause{{"h1", at(3), at(9)}}, nil},
		{"of a host that stands still", []Run{made(AtMostOnce, "h1", 1, 0), made(AtMostOnce, "h2", 4, 0)}, []Pause{{"h1", at(3), 0}}, nil},
		{"of a host that woke up too early", []Run{made(AtMostOnce, "h1", 1, 8), made(AtMostOnce, "h2", 4, 0)}, []Pause{{"h1", at(3), at(7.5)}}, []time.Duration{time.Second / 2}},
		{"that another host stood still is no excuse", []Run{made(AtMostOnce, "h1", 1, 5), made(AtMostOnce, "h2", 4, 0)}, []Pause{{"h3", at(3), at(9)}}, []time.Duration{time.Second}},
	} {
		t.Run(c.what, func(t *testing.T) {
			var got []time.Duration
			for _, o := range Overlaps(c.runs, c.pauses, at(10)) {
				got = append(got, o.For)
			}
			if len(got) != len(c.want) {
				t.Fatalf("overlaps of %v, want %v", got, c.want)
			}
			for i := range got {
				if d := got[i] - c.want[i]; d < -time.Microsecond || d > time.Microsecond {
					t.Errorf("overlaps of %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestUnitsAreComparedWithThemselvesOnly(t *testing.T) {
	other := made(AtMostOnce, "h2", 1, 0)
	other.Unit = "b.service"
	if found := Overlaps([]Run{made(AtMostOnce, "h1", 1, 0), other}, nil, at(10)); len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestGapsAreMeasured(t *testing.T) {
	runs := []Run{
		made(Plain, "h1", 1, 2), made(Plain, "h2", 4, 9), made(Plain, "h3", 5, 6), made(Plain, "h3", 9.5, 0),
		{Unit: "every.service", Kind: Global, Host: "h1", Start: at(1), End: at(2)},
		{Unit: "every.service", Kind: Global, Host: "h1", Start: at(8)},
	}
	gaps := Gaps(runs)
	if len(gaps) != 2 {
		t.Fatalf("gaps: %v", gaps)
	}
	if g := gaps[0]; g.Length() != 2*time.Second || g.Before != "h1" || g.After != "h2" {
		t.Errorf("the longest: %v", g)
	}
	if g := gaps[1]; g.Length() != time.Second/2 || g.Before != "h2" || g.After != "h3" {
		t.Errorf("the other: %v", g)
	}
}

// says is a fact with times in seconds.
func says(invocation, active, sub string, changed, left, inactive float64) fact {
	return fact{unit: "a.service", invocation: invocation, active: active, sub: sub, changed: at(changed), left: at(left), inactive: at(inactive)}
}

func TestWhatSystemdSaysBecomesRuns(t *testing.T) {
	for _, c := range []struct {
		what string
		hear []fact
		died float64
		want []Run
	}{
		{"start and stop", []fact{
			says("one", "activating", "start-pre", 1, 1, 0), says("one", "active", "running", 2, 1, 0),
			says("one", "deactivating", "stop-sigterm", 5, 1, 0), says("one", "inactive", "dead", 6, 1, 6),
		}, 0, []Run{made(Plain, "h1", 1, 6)}},
		{"a crash, and a start by systemd itself", []fact{
			says("one", "active", "running", 1, 1, 0), says("one", "activating", "auto-restart", 3.1, 3.1, 3),
			says("two", "active", "running", 4, 3.1, 3), says("two", "failed", "failed", 5, 3.1, 5),
		}, 0, []Run{made(Plain, "h1", 1, 3), made(Plain, "h1", 4, 5)}},
		{"an end that was not told", []fact{
			says("one", "active", "running", 1, 1, 0), says("two", "active", "running", 4, 4, 3),
		}, 0, []Run{made(Plain, "h1", 1, 3), made(Plain, "h1", 4, 0)}},
		{"an answer that was overtaken", []fact{
			says("one", "active", "running", 1, 1, 0), says("one", "inactive", "dead", 3, 1, 3), says("one", "active", "running", 1, 1, 0),
		}, 0, []Run{made(Plain, "h1", 1, 3)}},
		{"the host dies", []fact{says("one", "active", "running", 1, 1, 0)}, 7, []Run{{Start: at(1), End: at(7), Died: true}}},
		{"first seen while it ran", []fact{says("two", "active", "running", 5, 5, 3)}, 0, []Run{made(Plain, "h1", 5, 0)}},
		{"first seen after it ended", []fact{says("one", "inactive", "dead", 5, 2, 5)}, 0, nil},
		{"never started", []fact{says("", "inactive", "dead", 0, 0, 0)}, 0, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := newHistory("h1", func(unit.Name) Kind { return Plain })
			for _, f := range c.hear {
				h.hear(f)
			}
			if c.died != 0 {
				h.died(at(c.died))
			}
			got := h.runs()
			if len(got) != len(c.want) {
				t.Fatalf("runs %v, want %v", got, c.want)
			}
			for i, want := range c.want {
				if got[i].Start != want.Start || got[i].End != want.End || got[i].Died != want.Died {
					t.Errorf("runs %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestObjectPathsAreUnits(t *testing.T) {
	for path, want := range map[string]unit.Name{
		unitPaths + "app_40one_2dtwo_2eservice": "app@one-two.service",
		unitPaths + "plain_2eservice":           "plain.service",
		"/org/freedesktop/systemd1/job/1":       "",
	} {
		if got := unitName(dbus.ObjectPath(path)); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}
