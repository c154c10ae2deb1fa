//go:build functional

package functional

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// The record of the witness is held against two others: systemd's journal, by invocation id, and what the units
// themselves write on disk. Units come and go as fast as systemd lets them while the bus, systemd and a host die.
func TestTheRecordMissesNothing(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "record", Hosts: 3})
	quick := "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'sleep 0.%i'\nRestart=always\nRestartSec=1ms\n[X-Fleet]\nMachineID="
	var names []unit.Name
	for _, h := range w.Hosts() {
		for _, i := range []int{2, 5} { // tenths of a second; of shorter lives a busy host's systemd tells several at a time
			name := unit.Name(fmt.Sprintf("quick%d@%d.service", h.Index, i))
			w.put(name, quick+h.MachineID+"\n", cluster.Launched)
			names = append(names, name)
		}
	}
	w.launch("slow.service", stamped+"[X-Fleet]\nMachineID="+w.host(3).MachineID+"\n")
	h := w.host(1)
	w.exec(h, "systemctl", "daemon-reload")
	w.exec(h, "systemctl", "restart", "dbus.service")
	w.exec(w.host(2), "systemctl", "daemon-reexec")
	w.exec(w.host(3), "systemctl", "kill", "--signal=KILL", "slow.service")
	w.eventually(soon, "there are many runs", func() (bool, string) {
		n := len(w.runsSince(0))
		return n > 200, fmt.Sprint(n)
	})
	died := record.Now()
	w.powerLoss(w.host(3))
	dead := record.Now() + record.Moment(50*time.Millisecond) // it is looked at every few milliseconds
	w.powerOn(w.host(3))
	w.awaitMachines(2*soon, w.Hosts()...)
	for _, name := range names {
		w.ask(name, cluster.Loaded)
	}
	w.awaitAll(soon, names, "they are stopped", done)

	runs := w.runsSince(0)
	seen := make(map[string]record.Run)
	perHost := make(map[string]int)
	for _, r := range runs {
		seen[r.Invocation] = r
		perHost[r.Host]++
		if r.End == 0 && r.Unit != "slow.service" {
			t.Errorf("to the record %s still runs: %s", r.Unit, r)
		}
		if r.Died && (r.Host != "h3" || r.End < died || r.End > dead) {
			t.Errorf("h3 died between %s and %s, not so: %s", died, dead, r)
		}
	}
	t.Logf("runs: %v", perHost)
	for _, h := range w.Hosts() {
		missed, known := 0, 0
		for _, e := range w.journalOf(h, "quick*.service") {
			if e.Job != "start" || e.Result != "done" {
				continue
			}
			run, ok := seen[e.Invocation]
			if !ok && w.heardAt(h, e.at()) {
				missed++
			}
			if !ok {
				continue
			}
			known++
			if run.Start > e.at() {
				t.Errorf("%s knew of it at %s: %s", h.Name, e.at(), run)
			}
		}
		if missed > 0 || known < 20 {
			t.Errorf("of the invocations in the journal of %s the record lacks %d and has %d", h.Name, missed, known)
		}
	}
	// What a unit writes lies within what systemd says of it.
	for _, s := range w.spans("slow.service") {
		inside := false
		for _, r := range runs {
			inside = inside || r.Unit == "slow.service" && r.Host == s.host.Name && !w.wall(r.Start).After(s.start) && (s.end.IsZero() || r.End == 0 || !w.wall(r.End).Before(s.end.Add(-time.Millisecond)))
		}
		if !inside {
			t.Errorf("slow.service wrote %v, which lies in no run", s)
		}
	}
}

// heardAt tells whether a host was listened to when its journal received something, and shortly before: while systemd
// executes itself anew, and before the first connection after a boot, nobody hears it.
func (w *world) heardAt(h *testbed.Host, at record.Moment) bool {
	const late = record.Moment(2 * time.Second) // of a journal that is busy
	for _, s := range w.witness.Heard(h.Name) {
		if at > s.From+late && (s.To == 0 || at < s.To-late/4) {
			return true
		}
	}
	return false
}

// wall is a moment on the wall clock.
func (w *world) wall(m record.Moment) time.Time { return w.began.Add(m.Sub(w.start)) }

// entry is what PID 1 wrote into its journal about a unit.
type entry struct {
	Invocation string `json:"INVOCATION_ID"`
	Job        string `json:"JOB_TYPE"`
	Result     string `json:"JOB_RESULT"`
	Monotonic  string `json:"__MONOTONIC_TIMESTAMP"` // when it was received
}

func (e entry) at() record.Moment {
	var microseconds int64
	fmt.Sscan(e.Monotonic, &microseconds)
	return record.Moment(microseconds * 1000)
}

// journalOf reads what PID 1 of a host has written about units.
func (w *world) journalOf(h *testbed.Host, pattern string) []entry {
	w.t.Helper()
	w.exec(h, "journalctl", "--sync")
	out := w.sh(h, "journalctl --no-pager --output=json --output-fields=INVOCATION_ID,JOB_TYPE,JOB_RESULT --unit='"+pattern+"' _PID=1")
	var all []entry
	for line := range strings.Lines(out) {
		var e entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			w.t.Fatalf("journal of %s: %q: %v", h.Name, line, err)
		}
		all = append(all, e)
	}
	return all
}
