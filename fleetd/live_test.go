package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"fleet/cluster"
	"fleet/fleetd/capacity"
)

// liveWorld is a fleetd whose settings and host can change.
type liveWorld struct {
	live
	t    *testing.T
	file string
	told []cluster.Capacity
	last map[string]string // metadata
	logs bytes.Buffer
	ask  chan os.Signal

	mu struct {
		sync.Mutex
		host capacity.Host
		lost error // the host cannot be looked at
	}
}

// becomes changes the host.
func (w *liveWorld) becomes(host capacity.Host, lost error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.host, w.mu.lost = host, lost
}

func newLiveWorld(t *testing.T, config string) *liveWorld {
	w := &liveWorld{t: t, file: writeConfig(t, config), ask: make(chan os.Signal, 1)}
	w.becomes(testHost, nil)
	read := func() (Settings, error) {
		inv, err := parse([]string{"--config", w.file}, nil, true)
		return inv.settings, err
	}
	s, err := read()
	if err != nil {
		t.Fatal(err)
	}
	w.live = live{
		started: s, now: s,
		offer: func(s Settings) (cluster.Capacity, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.mu.lost != nil {
				return cluster.Capacity{}, w.mu.lost
			}
			return s.offerOf(w.mu.host)
		},
		reload: Reload{Requests: w.ask, Read: read, Level: new(slog.LevelVar)},
		change: func(metadata map[string]string, c cluster.Capacity) {
			w.last, w.told = metadata, append(w.told, c)
		},
		log: slog.New(slog.NewTextHandler(&w.logs, nil)),
	}
	if w.offered, err = w.offer(s); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *liveWorld) write(config string) {
	w.t.Helper()
	if err := os.WriteFile(w.file, []byte(config), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.readAgain()
}

func (w *liveWorld) wantLog(words string) {
	w.t.Helper()
	if !strings.Contains(w.logs.String(), words) {
		w.t.Errorf("it does not say %q but\n%s", words, w.logs.String())
	}
}

func TestSettingsThatAreReadAgain(t *testing.T) {
	w := newLiveWorld(t, "capacity_memory = 4G\nmetadata = disk=ssd\n")
	w.write("capacity_memory = 2G\nmetadata = disk=ssd\nmax_units = 10\nlog_level = debug\n")
	if len(w.told) != 1 || w.told[0].Memory != 2<<30 || w.told[0].MaxUnits != 10 || w.told[0].CPU != 3800 {
		t.Errorf("the cluster was told %+v", w.told)
	}
	if w.reload.Level.Level() != slog.LevelDebug {
		t.Error("the log level has not changed")
	}
	w.wantLog("changed=capacity_memory,log_level,max_units")

	w.write("capacity_memory = 2G\nmetadata = disk=hdd\nmax_units = 10\n")
	if diff := cmp.Diff(map[string]string{"disk": "hdd"}, w.last); diff != "" || len(w.told) != 2 {
		t.Errorf("the cluster was told %d times, metadata %s", len(w.told), diff)
	}

	w.write("capacity_memory = 2G\nmetadata = disk=hdd\nmax_units = 10\nlog_level = warn\n")
	if len(w.told) != 2 {
		t.Error("the cluster is told what it knows")
	}
}

func TestAFileThatCannotBeUsedChangesNothing(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"a typo":                      {"max_units = 3\ncapacty_memory = 2G\n", `did you mean \"capacity_memory\"`},
		"a reserve that is too large": {"max_units = 3\nlog_level = debug\nreserve_memory = 9G\n", "reserve_memory = 9G ("},
		"what does not go together":   {"max_units = 3\nagent_ttl = 1s\n", "agent_ttl = 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newLiveWorld(t, "max_units = 5\n")
			w.write(c.file)
			if len(w.told) != 0 || w.now.MaxUnits != 5 || w.reload.Level.Level() != slog.LevelInfo {
				t.Errorf("told %+v, max_units %d", w.told, w.now.MaxUnits)
			}
			w.wantLog("going on with the former ones")
			w.wantLog(c.want)
		})
	}
}

func TestASettingThatNeedsARestartIsSaidToUntilThen(t *testing.T) {
	w := newLiveWorld(t, "token_limit = 50\n")
	for range 2 {
		w.logs.Reset()
		w.write("token_limit = 60\nmax_units = 5\n")
		w.wantLog("takes effect when fleetd is restarted\" setting=token_limit")
	}
	if len(w.told) != 1 || w.told[0].MaxUnits != 5 {
		t.Errorf("told %+v: what can change changes nevertheless", w.told)
	}
	w.logs.Reset()
	w.write("token_limit = 50\n")
	if strings.Contains(w.logs.String(), "restarted") {
		t.Errorf("it is as at the start, and yet:\n%s", &w.logs)
	}
}

func TestAHostThatChangesIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newLiveWorld(t, "")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		probed := func() {
			time.Sleep(probeInterval)
			synctest.Wait()
		}

		probed()
		if len(w.told) != 0 {
			t.Errorf("nothing has changed, and the cluster is told %+v", w.told)
		}
		larger := testHost
		larger.Memory += 1 << 30
		w.becomes(larger, nil)
		probed()
		if len(w.told) != 1 || w.told[0].Memory <= 8<<30*9/10 {
			t.Errorf("memory was plugged in, the cluster was told %+v", w.told)
		}
		w.becomes(larger, errors.New("no such disk"))
		probed()
		probed()
		if n := strings.Count(w.logs.String(), "no such disk"); n != 1 || len(w.told) != 1 {
			t.Errorf("a trouble that lasts was logged %d times, the cluster told %+v", n, w.told)
		}
		w.becomes(larger, nil)
		w.ask <- os.Interrupt
		synctest.Wait()
		w.wantLog("settings read again")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
