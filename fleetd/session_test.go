package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"fleet/cluster"
	"fleet/registry"
)

var configured = []string{"http://127.0.0.1:2379"}

func TestSessionIsRememberedAndDamageCostsOnlyANewOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	if got := openSession(path, configured).Load(); got != (registry.Hold{}) {
		t.Errorf("without a file: %+v", got)
	}
	want := registry.Hold{Session: cluster.Session{Lease: 0x7d31, BootID: "b00t"}, Agent: 0x7d32, TTL: 10 * time.Second}
	if err := openSession(path, configured).Save(want); err != nil {
		t.Fatal(err)
	}
	if got := openSession(path, configured).Load(); got != want {
		t.Errorf("loaded %+v, saved %+v", got, want)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := openSession(path, configured).Load(); got != (registry.Hold{}) {
		t.Errorf("from a damaged file: %+v", got)
	}
}

// Whoever upgrades fleetd, or goes back, keeps the session.
func TestTheSessionIsReadAcrossVersions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "session.json")
	if err := os.WriteFile(path, []byte(`{"lease":7,"bootID":"b00t"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	f := openSession(path, configured)
	session := cluster.Session{Lease: 7, BootID: "b00t"}
	if got := f.Load().Session; got != session {
		t.Errorf("of an older fleetd's: %v", got)
	}
	if err := f.Save(f.Load()); err != nil {
		t.Fatal(err)
	}
	var old cluster.Session // what an older fleetd reads
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &old); err != nil || old != session {
		t.Errorf("an older fleetd reads %v, %v", old, err)
	}
}

func TestTheHistoryIsKeptAcrossRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "session.json")
		f := openSession(path, configured)
		if err := f.Save(registry.Hold{Session: cluster.Session{Lease: 7, BootID: "b00t"}}); err != nil {
			t.Fatal(err)
		}
		var seen atomic.Pointer[registry.History]
		seen.Store(&registry.History{Revision: 100})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.keep(ctx, func() registry.History { return *seen.Load() }, slog.New(slog.DiscardHandler))
		}()
		time.Sleep(time.Minute)
		if got := openSession(path, nil).history(); got != *seen.Load() {
			t.Errorf("the file knows %+v", got)
		}
		seen.Store(&registry.History{Revision: 50, Epoch: cluster.Epoch{Number: 1, Began: 40, Base: 40, Offset: 1000}})
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if got := openSession(path, nil).history(); got != *seen.Load() {
			t.Errorf("stopped, the file knows %+v", got)
		}
	})
}

// A session that cannot be written, as when /run is full, is written as soon as it can be, though nothing else happens: without
// it the fence guards nothing. It is said once that it cannot be, and once that it is.
func TestASessionThatCannotBeWrittenIsWrittenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "session.json")
		inTheWay := path + ".next"
		f := openSession(path, configured)
		var logs bytes.Buffer
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.keep(ctx, func() registry.History { return registry.History{Revision: 100} }, slog.New(slog.NewTextHandler(&logs, nil)))
		}()
		for lease := range int64(2) {
			if err := os.Mkdir(inTheWay, 0o700); err != nil {
				t.Fatal(err)
			}
			want := registry.Hold{Session: cluster.Session{Lease: lease + 7, BootID: "b00t"}}
			if err := f.Save(want); err == nil {
				t.Error("it is said to be written")
			}
			time.Sleep(time.Minute)
			if got := openSession(path, nil).Load(); got == want {
				t.Errorf("it was written: %+v", got)
			}
			if err := os.Remove(inTheWay); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * keepPause)
			if got := openSession(path, nil).Load(); got != want {
				t.Errorf("the file has %+v, want %+v", got, want)
			}
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if failed, over := strings.Count(logs.String(), "trying again"), strings.Count(logs.String(), "is written"); failed != 2 || over != 2 {
			t.Errorf("it is said %d times that it fails, %d times that it is over: %s", failed, over, &logs)
		}
	})
}

func TestTheFenceLearnsOfAllMembersOfEtcd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "session.json")
		f := openSession(path, configured)
		if err := f.Save(registry.Hold{Session: cluster.Session{Lease: 7, BootID: "b00t"}}); err != nil {
			t.Fatal(err)
		}
		var members atomic.Pointer[[]string] // nil: no answer
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- keepEndpoints(ctx, f, configured, func(context.Context) ([]string, error) {
				if all := members.Load(); all != nil {
					return *all, nil
				}
				return nil, cluster.ErrUnavailable
			}, slog.New(slog.DiscardHandler))
		}()
		expect := func(want ...string) {
			t.Helper()
			time.Sleep(2 * time.Minute)
			if got := openSession(path, nil).mu.Endpoints; !slices.Equal(got, want) {
				t.Errorf("the fence knows of %q, expected %q", got, want)
			}
		}
		expect("http://127.0.0.1:2379")
		members.Store(&[]string{"http://10.0.0.1:2379", "http://10.0.0.2:2379"})
		expect("http://127.0.0.1:2379", "http://10.0.0.1:2379", "http://10.0.0.2:2379")
		members.Store(nil)
		expect("http://127.0.0.1:2379", "http://10.0.0.1:2379", "http://10.0.0.2:2379")
		if got := openSession(path, configured).mu.Endpoints; len(got) != 3 {
			t.Errorf("the next fleetd begins with %q", got)
		}
		members.Store(&[]string{"http://10.0.0.2:2379"})
		expect("http://127.0.0.1:2379", "http://10.0.0.2:2379")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
