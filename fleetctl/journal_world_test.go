package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/journal"
	"fleet/registry"
	"fleet/systemd/systemdtest"
	"fleet/unit"
)

// worldJournal is the journal of a machine, to which scripts write.
type worldJournal struct {
	id      cluster.MachineID
	manager *systemdtest.Manager

	mu      sync.Mutex
	entries []worldEntry
	changed chan struct{} // closed by the next entry
}

type worldEntry struct {
	unit unit.Name
	at   time.Time
	text string
}

// write adds an entry, at a time in seconds after the first of March 2026.
func (j *worldJournal) write(name unit.Name, seconds int, text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	at := time.Date(2026, 3, 1, 0, 0, seconds, 250000, time.UTC)
	j.entries = append(j.entries, worldEntry{name, at, text})
	close(j.changed)
	j.changed = make(chan struct{})
}

// Journal implements api.Local.
func (j *worldJournal) Journal(ctx context.Context, name unit.Name, q journal.Query, fn func([]byte) error) error {
	next := j.first(name, q)
	for {
		j.mu.Lock()
		entries, changed := slices.Clone(j.entries[next:]), j.changed
		j.mu.Unlock()
		for i, e := range entries {
			if e.unit != name || !q.Until.IsZero() && e.at.After(q.Until) {
				continue
			}
			line := fmt.Sprintf(`{"MESSAGE":%q,"_HOSTNAME":%q,"SYSLOG_IDENTIFIER":%q,"_PID":"42","__REALTIME_TIMESTAMP":"%d","__CURSOR":"i=%d"}`,
				e.text, j.id.Short(), name, e.at.UnixMicro(), next+i)
			if err := fn([]byte(line + "\n")); err != nil {
				return err
			}
		}
		if next += len(entries); !q.Follow {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// first is the index of the first entry that may be shown.
func (j *worldJournal) first(name unit.Name, q journal.Query) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	var i int
	if _, err := fmt.Sscanf(q.After, "i=%d", &i); err == nil {
		return i + 1
	}
	var found []int
	for i, e := range j.entries {
		if e.unit == name && !e.at.Before(q.Since) {
			found = append(found, i)
		}
	}
	if q.Lines >= 0 {
		found = found[max(0, len(found)-q.Lines):]
	}
	if len(found) == 0 {
		return len(j.entries)
	}
	return found[0]
}

// StatusText implements api.Local.
func (j *worldJournal) StatusText(ctx context.Context, name unit.Name, lines int) (string, error) {
	logs, err := j.manager.Logs(ctx, name, lines)
	if err != nil {
		return "", err
	}
	return strings.Join(append([]string{"● " + string(name) + " says the systemd of " + j.id.Short()}, logs...), "\n") + "\n", nil
}

// listen serves the API of the machine on TCP, for the other machine, until ctx ends or the machine is muted.
func (m *machine) listen(ctx context.Context, l net.Listener, records *registry.Registry) {
	server := api.New(records, api.Options{Machine: m.id, Local: m.journal})
	m.server = &http.Server{Handler: server.Handler()}
	m.parts.Go(func() { _ = server.Run(ctx) }) // ends with ctx
	m.parts.Go(func() {
		if err := m.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	})
	m.parts.Go(func() {
		<-ctx.Done()
		m.server.Close()
	})
}
