package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/registry"
)

// sessionFile holds this machine's session across restarts of fleetd, not across boots, and tells it to the
// machine's fence, which is a process of its own and renews the session's lease as well.
type sessionFile struct {
	path string

	mu struct {
		sync.Mutex
		sessionRecord
		unwritten bool // the file is not what this is
	}
}

func (s Settings) sessionFile() string { return filepath.Join(s.StateDir, "session.json") }

// sessionRecord is the file, in JSON. Who reads it takes no notice of fields that it does not know.
type sessionRecord struct {
	Lease     int64         `json:"lease"` // of the session
	Boot      string        `json:"boot"`
	BootID    string        `json:"bootID"`             // the same, for a fleetd older than the fence
	Agent     int64         `json:"agent"`              // lease of the fleetd that serves
	TTL       time.Duration `json:"ttl"`                // of both leases, in nanoseconds
	Endpoints []string      `json:"endpoints"`          // of etcd: what was configured, and all members
	Revision  int64         `json:"revision,omitempty"` // highest of the store's that was seen, in the epoch
	Epoch     cluster.Epoch `json:"epoch,omitzero"`
}

// openSession reads the file, if there is one. One that cannot be read costs a new session, no more. What
// it says of endpoints is kept beside those configured, until etcd itself tells: its member on
// this host may be down while others are not.
func openSession(path string, configured []string) *sessionFile {
	f := &sessionFile{path: path}
	raw, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(raw, &f.mu.sessionRecord) != nil {
		f.mu.sessionRecord = sessionRecord{}
	}
	if f.mu.Boot == "" {
		f.mu.Boot = f.mu.BootID
	}
	f.mu.Endpoints = union(configured, f.mu.Endpoints)
	return f
}

// Load implements presence.Memory.
func (f *sessionFile) Load() registry.Hold {
	f.mu.Lock()
	defer f.mu.Unlock()
	return registry.Hold{
		Session: cluster.Session{Lease: f.mu.Lease, BootID: f.mu.Boot},
		Agent:   f.mu.Agent,
		TTL:     f.mu.TTL,
	}
}

// Save implements presence.Memory.
func (f *sessionFile) Save(h registry.Hold) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.Lease, f.mu.Boot, f.mu.BootID = h.Session.Lease, h.Session.BootID, h.Session.BootID
	f.mu.Agent, f.mu.TTL = h.Agent, h.TTL
	if err := f.write(); err != nil {
		return fmt.Errorf("remember session %s: %w", h.Session, err)
	}
	return nil
}

// history is what this and former processes have seen of the store's.
func (f *sessionFile) history() registry.History {
	f.mu.Lock()
	defer f.mu.Unlock()
	return registry.History{Epoch: f.mu.Epoch, Revision: f.mu.Revision}
}

// saw keeps what was seen of the store's history.
func (f *sessionFile) saw(h registry.History) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h == (registry.History{Epoch: f.mu.Epoch, Revision: f.mu.Revision}) && !f.mu.unwritten {
		return nil
	}
	f.mu.Epoch, f.mu.Revision = h.Epoch, h.Revision
	if f.mu.Lease == 0 {
		return nil // it is written with the session
	}
	return f.write()
}

// keepPause is how far behind the file may be, of the store's history and of what could not be written.
const keepPause = 2 * time.Second

// keep keeps the store's history known to the file, until ctx ends and then once more: the next
// fleetd is to notice if the store was restored meanwhile. What could not be written when it was saved (there is no
// room, say) is written as soon as it can be: until then the fence knows of no session, or of one that is over.
func (f *sessionFile) keep(ctx context.Context, history func() registry.History, log *slog.Logger) error {
	failing := false
	for {
		err := f.saw(history())
		switch {
		case err != nil && !failing:
			log.Error("cannot write the file of the session, trying again: this machine's fence may not know its session, and units that must not run twice not run here", "err", err)
		case err == nil && failing:
			log.Info("the file of the session is written")
		}
		failing = err != nil
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(keepPause):
		}
	}
}

// reach has the fence know at which endpoints etcd can be reached.
func (f *sessionFile) reach(endpoints []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if slices.Equal(f.mu.Endpoints, endpoints) {
		return nil
	}
	f.mu.Endpoints = endpoints
	if f.mu.Lease == 0 {
		return nil // it is written with the session
	}
	if err := f.write(); err != nil {
		return fmt.Errorf("remember the endpoints of etcd: %w", err)
	}
	return nil
}

// write replaces the file. If it cannot, keep does later.
func (f *sessionFile) write() error {
	raw, err := json.Marshal(f.mu.sessionRecord)
	if err == nil {
		err = replaceFile(f.path, raw)
	}
	f.mu.unwritten = err != nil
	return err
}

// How often etcd is asked for its members: ever more rarely. It may refuse, to a user who may not know.
const (
	firstMembers = time.Second
	laterMembers = time.Minute
)

// keepEndpoints keeps the members of etcd known to the file until ctx ends, so that the fence need not rely on the
// one that this fleetd was told of, or runs itself.
func keepEndpoints(ctx context.Context, f *sessionFile, configured []string, members func(context.Context) ([]string, error), log *slog.Logger) error {
	pause := firstMembers
	for {
		all, err := members(ctx)
		pause = min(2*pause, laterMembers)
		if err == nil {
			pause = laterMembers
			if err := f.reach(union(configured, all)); err != nil {
				log.Warn("the fence does not know all members of etcd", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// union is a and what of b is not in it.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
