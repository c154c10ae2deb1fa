package api_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"fleet/journal"
	"fleet/unit"
)

// fakeSystemd is the journal of one machine, and what its systemctl says.
type fakeSystemd struct {
	host string

	mu      sync.Mutex
	entries []fakeEntry
	changed chan struct{}
	placed  time.Time
	fail    error
	open    int           // queries under way
	most    int           // of them at the same time
	linger  chan struct{} // if there is one, a query does not end until it is closed
	queries []journal.Query
}

type fakeEntry struct {
	unit    unit.Name
	at      time.Time
	message string
}

func newFakeSystemd(host string) *fakeSystemd {
	return &fakeSystemd{host: host, changed: make(chan struct{})}
}

// write adds entries so many seconds after noon.
func (f *fakeSystemd) write(name unit.Name, seconds int, messages ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range messages {
		f.entries = append(f.entries, fakeEntry{name, noon.Add(time.Duration(seconds) * time.Second), m})
	}
	f.ring()
}

// ring wakes those who follow. The caller holds the lock.
func (f *fakeSystemd) ring() {
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *fakeSystemd) set(change func(*fakeSystemd)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
	f.ring()
}

func (f *fakeSystemd) reading() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.open
}

func (f *fakeSystemd) line(i int) []byte {
	e := f.entries[i]
	return fmt.Appendf(nil, `{"MESSAGE":%q,"_HOSTNAME":%q,"SYSLOG_IDENTIFIER":"app","__REALTIME_TIMESTAMP":"%d","__CURSOR":"s=%s;i=%d"}`+"\n",
		e.message, f.host, e.at.UnixMicro(), f.host, i)
}

// Journal implements api.Local.
func (f *fakeSystemd) Journal(ctx context.Context, name unit.Name, q journal.Query, fn func([]byte) error) error {
	f.mu.Lock()
	f.open++
	f.most = max(f.most, f.open)
	f.queries = append(f.queries, q)
	next := f.begin(name, q)
	f.mu.Unlock()
	defer f.set(func(f *fakeSystemd) { f.open-- })
	for {
		f.mu.Lock()
		var lines [][]byte
		for ; next < len(f.entries); next++ {
			if e := f.entries[next]; e.unit == name && (q.Until.IsZero() || !e.at.After(q.Until)) {
				lines = append(lines, f.line(next))
			}
		}
		fail, changed := f.fail, f.changed
		f.mu.Unlock()
		if fail != nil {
			return fail
		}
		for _, line := range lines {
			if err := fn(line); err != nil {
				return err
			}
		}
		if !q.Follow {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if f.linger != nil {
				<-f.linger
			}
			return ctx.Err()
		}
	}
}

// begin is the index of the first entry that a query finds.
func (f *fakeSystemd) begin(name unit.Name, q journal.Query) int {
	if q.After != "" {
		var i int
		if _, err := fmt.Sscanf(q.After, "s="+f.host+";i=%d", &i); err != nil {
			panic(fmt.Sprintf("cursor %q given to %s", q.After, f.host))
		}
		return i + 1
	}
	since := q.Since
	if q.Placed {
		since = f.placed
	}
	var found []int
	for i, e := range f.entries {
		if e.unit == name && !e.at.Before(since) {
			found = append(found, i)
		}
	}
	if q.Lines >= 0 {
		found = found[max(0, len(found)-q.Lines):]
	}
	if len(found) == 0 {
		return len(f.entries)
	}
	return found[0]
}

// StatusText implements api.Local.
func (f *fakeSystemd) StatusText(_ context.Context, name unit.Name, lines int) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil {
		return "", f.fail
	}
	var out strings.Builder
	fmt.Fprintf(&out, "● %s on %s\n", name, f.host)
	for _, e := range f.entries[max(0, len(f.entries)-lines):] {
		out.WriteString(e.message + "\n")
	}
	return out.String(), nil
}
