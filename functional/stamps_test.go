//go:build functional

package functional

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"fleet/functional/testbed"
	"fleet/unit"
)

// sleeper is a unit that runs until it is stopped.
const sleeper = "[Service]\nExecStart=/bin/sleep infinity\n"

// stamped is a sleeper that writes on its host's disk when it starts, and when it
// has ended unless the host died. All hosts have one clock.
const stamped = `[Service]
ExecStartPre=/bin/mkdir -p /var/stamps
ExecStart=/bin/sh -c 'echo start $$(date +%%s.%%N) >>/var/stamps/%n; exec sleep infinity'
ExecStopPost=/bin/sh -c 'echo stop $$(date +%%s.%%N) >>/var/stamps/%n'
`

// span is one run of a stamped unit; the end is zero if none was written.
type span struct {
	host       *testbed.Host
	start, end time.Time
}

func (s span) String() string {
	end := "…"
	if !s.end.IsZero() {
		end = s.end.Format("05.000")
	}
	return fmt.Sprintf("%s %s-%s", s.host.Name, s.start.Format("05.000"), end)
}

// spans returns all runs of a stamped unit on all hosts, also those that are off,
// in order of their start.
func (w *world) spans(name unit.Name) []span {
	w.t.Helper()
	var all []span
	for _, h := range w.Hosts() {
		data, err := h.ReadFile("/var/stamps/" + string(name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, w.parseSpans(h, string(data))...)
	}
	slices.SortFunc(all, func(a, b span) int { return a.start.Compare(b.start) })
	return all
}

// startedAfter is when a stamped unit first started after that. To systemd a
// service runs before its program has had the time to write a stamp.
func (w *world) startedAfter(t time.Time, name unit.Name) time.Time {
	w.t.Helper()
	var at time.Time
	w.eventually(soon, fmt.Sprintf("%s has started after %s", name, t.Format("05.000")), func() (bool, string) {
		all := w.spans(name)
		i := slices.IndexFunc(all, func(s span) bool { return s.start.After(t) })
		if i >= 0 {
			at = all[i].start
		}
		return i >= 0, fmt.Sprint(all)
	})
	return at
}

func (w *world) parseSpans(h *testbed.Host, stamps string) []span {
	w.t.Helper()
	var all []span
	for line := range strings.Lines(stamps) {
		word, at, _ := strings.Cut(strings.TrimSpace(line), " ")
		seconds, nanoseconds, ok := strings.Cut(at, ".")
		s, err1 := strconv.ParseInt(seconds, 10, 64)
		n, err2 := strconv.ParseInt(nanoseconds, 10, 64)
		if !ok || err1 != nil || err2 != nil {
			w.t.Fatalf("stamp %q on %s cannot be read", line, h.Name)
		}
		switch {
		case word == "start":
			all = append(all, span{host: h, start: time.Unix(s, n)})
		case len(all) > 0:
			all[len(all)-1].end = time.Unix(s, n)
		}
	}
	return all
}

// neverTwo fails the test if two runs of a stamped unit overlapped. A run without
// an end, other than the last, ended when its host died.
func (w *world) neverTwo(name unit.Name, died map[*testbed.Host]time.Time) {
	w.t.Helper()
	all := w.spans(name)
	for i := 1; i < len(all); i++ {
		end := all[i-1].end
		if end.IsZero() {
			end = died[all[i-1].host]
		}
		if end.IsZero() || end.After(all[i].start) {
			w.t.Errorf("two copies of %s ran at one time: %v", name, all)
		}
	}
}
