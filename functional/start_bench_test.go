//go:build functional

package functional

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

const stampsItsStart = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'mkdir -p /var/stamps; echo start $$(date +%%s.%%N) >>/var/stamps/%n; exec sleep infinity'\n"

// BenchmarkStart is the time from a request to the unit's process, beside what systemctl
// takes for the same unit on the same host: for a unit that is loaded already, and for one
// that is submitted with the request, which costs a reload of systemd.
//
//	scripts/test functional -run '^$' -bench Start -benchtime 20x
func BenchmarkStart(b *testing.B) {
	b.Run("loaded", func(b *testing.B) {
		w := shared(b)
		const name = "fast.service"
		w.put(name, stampsItsStart, cluster.Loaded)
		h := w.hostOf(w.await(soon, name, "it is loaded", done).MachineID)
		stopped := func(u api.Unit) bool { return len(live(u)) == 1 && live(u)[0].Active == "inactive" && done(u) }
		var local, through []time.Duration
		for b.Loop() {
			local = append(local, w.untilStart(name, func() { w.exec(h, "systemctl", "start", name) }))
			w.exec(h, "systemctl", "stop", name)
			w.await(soon, name, "it is stopped", stopped)
			through = append(through, w.untilStart(name, func() { w.ask(name, cluster.Launched) }))
			w.ask(name, cluster.Loaded)
			w.await(soon, name, "it is stopped", stopped)
		}
		b.ReportMetric(median(local), "systemctl-ms")
		b.ReportMetric(median(through), "fleet-ms")
	})
	b.Run("submitted", func(b *testing.B) {
		w := shared(b)
		var reload, through []time.Duration
		for n := 0; b.Loop(); n++ {
			name := unit.Name(fmt.Sprintf("new-%d.service", n))
			began := time.Now()
			w.put(name, stampsItsStart, cluster.Launched)
			h := w.hostOf(w.await(soon, name, "it runs", done).MachineID)
			through = append(through, w.lastStart(name).Sub(began))
			began = time.Now()
			w.exec(h, "systemctl", "daemon-reload")
			reload = append(reload, time.Since(began))
		}
		b.ReportMetric(median(reload), "daemon-reload-ms")
		b.ReportMetric(median(through), "fleet-ms")
	})
}

func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Microseconds()) / 1000
}

// untilStart is how long it takes from the call of do until the unit's process ran.
func (w *world) untilStart(name unit.Name, do func()) time.Duration {
	w.t.Helper()
	began := time.Now()
	do()
	var took time.Duration
	w.eventually(soon, string(name)+" has started", func() (bool, string) {
		took = w.lastStart(name).Sub(began)
		return took > 0, took.String()
	})
	return took
}

// lastStart is when the unit's process began to run for the last time, zero if it never has.
func (w *world) lastStart(name unit.Name) time.Time {
	w.t.Helper()
	all := w.spans(name)
	if len(all) == 0 {
		return time.Time{}
	}
	return all[len(all)-1].start
}
