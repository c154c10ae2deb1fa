package main

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/fleetd/capacity"
)

// probeInterval is how long memory that was plugged in, or a disk that grew, may go unnoticed.
const probeInterval = time.Minute

// Reload is how settings are read again while fleetd runs.
type Reload struct {
	Requests <-chan os.Signal
	Read     func() (Settings, error)
	Level    *slog.LevelVar // of the logger
}

// live applies what changes while fleetd runs: settings that are read again, and the host itself. It
// changes what the cluster is told of this machine and how much is logged, and nothing else: no unit, no session.
type live struct {
	started Settings // what the rest of fleetd goes by, to its end
	now     Settings // of which those atRunTime count
	offered cluster.Capacity

	offer  func(Settings) (cluster.Capacity, error) // Settings.offer
	reload Reload
	change func(map[string]string, cluster.Capacity) // tells the cluster
	log    *slog.Logger

	blind bool // the host could not be looked at the last time
}

// Run listens for requests and looks at the host until ctx ends.
func (l *live) Run(ctx context.Context) error {
	tick := time.NewTicker(probeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.reload.Requests:
			notify(l.log, "RELOADING=1")
			l.readAgain()
			notify(l.log, "READY=1")
		case <-tick.C:
			l.look()
		}
	}
}

// readAgain takes over all that can change, or, if anything is wrong, nothing.
func (l *live) readAgain() {
	next, err := l.reload.Read()
	if err != nil {
		l.log.Error("cannot use the settings that are there now, going on with the former ones", "err", err)
		return
	}
	offer, err := l.offer(next)
	if err != nil {
		l.log.Error("cannot use the settings that are there now, going on with the former ones", "err", err)
		return
	}
	for _, key := range changed(l.started, next) {
		switch {
		case slices.Contains(atBoot, key):
			l.log.Warn("a setting has changed that takes effect when this host is booted again", "setting", key)
		case !slices.Contains(atRunTime, key):
			l.log.Warn("a setting has changed that takes effect when fleetd is restarted", "setting", key)
		}
	}
	was := l.now
	l.now = next
	l.reload.Level.Set(next.LogLevel)
	l.log.Info("settings read again", "changed", strings.Join(changed(was, next), ","), offered(offer))
	if !maps.Equal(was.Metadata, next.Metadata) || !reflect.DeepEqual(l.offered, offer) {
		l.tell(offer)
	}
}

// look notices that the host has more or less than it had.
func (l *live) look() {
	offer, err := l.offer(l.now)
	switch {
	case err != nil && !l.blind:
		l.log.Error("cannot tell what to offer to units, going on with the former offer", "err", err)
	case err == nil && capacity.Moved(l.offered, offer):
		l.log.Info("the host has changed", offered(offer))
		l.tell(offer)
	}
	l.blind = err != nil
}

func (l *live) tell(offer cluster.Capacity) {
	l.offered = offer
	l.change(l.now.Metadata, offer)
}

// changed are the keys of the settings whose text is another one, in order.
func changed(was, now Settings) []string {
	keys := make(map[string]bool)
	for _, s := range []Settings{was, now} {
		for key := range s.given {
			if was.given[key].text != now.given[key].text {
				keys[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
