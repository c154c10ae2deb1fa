//go:build functional

package functional

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// A household is one unit of each kind that docs/failures.md tells apart, on one host at first.
const (
	plainUnit  unit.Name = "plain.service"
	onceUnit   unit.Name = "once.service"   // AtMostOnce=yes, and it ignores SIGTERM
	freezeUnit unit.Name = "freeze.service" // the same with OnFence=freeze
	waitUnit   unit.Name = "wait.service"   // OnLost=wait
	everyUnit  unit.Name = "every.service"  // Global=true, on all hosts
)

const (
	fleetdService = "fleetd.service"
	fenceService  = "fleet-fence.service"
)

// fencedTTL leaves fences of 4 s leases (an embedded etcd has 2 s less) enough for a busy machine.
const fencedTTL = 6 * time.Second

// unending ignores SIGTERM, and writes down its fencing numbers.
const unending = `[Service]
ExecStart=/bin/sh -c 'mkdir -p /var/fence; echo $$INVOCATION_ID $$FLEET_FENCE >>/var/fence/%n; trap "" TERM; while :; do sleep 1; done'
TimeoutStopSec=5
`

var (
	guarded = []unit.Name{onceUnit, freezeUnit}
	single  = []unit.Name{plainUnit, onceUnit, freezeUnit, waitUnit} // all that run once
)

// household is where its units run at first, and as what.
type household struct {
	*world
	home  *testbed.Host
	lives map[unit.Name]string
}

// settle launches a household on a host; when it has, its units may run anywhere.
func (w *world) settle(home *testbed.Host) household {
	w.t.Helper()
	w.setMetadata(home, "exile", "yes")
	files := map[unit.Name]string{
		plainUnit: sleeper + "[X-Fleet]\n", onceUnit: unending + "[X-Fleet]\nAtMostOnce=yes\n",
		freezeUnit: unending + "[X-Fleet]\nAtMostOnce=yes\nOnFence=freeze\n", waitUnit: sleeper + "[X-Fleet]\nOnLost=wait\n",
	}
	for _, name := range single {
		w.put(name, files[name]+"MachineMetadata=exile\n", cluster.Launched)
	}
	w.put(everyUnit, onlyOn("Global=true"), cluster.Launched)
	w.awaitAll(2*soon, single, "the household runs on "+home.Name, runsOn(home))
	w.await(soon, everyUnit, "it runs on all", runsOnAll(w.Hosts()...))
	for _, o := range w.others(home) {
		w.setMetadata(o, "exile", "yes")
	}
	h := household{world: w, home: home}
	h.remember()
	return h
}

// remember takes the lives that units have now as those which they are to keep.
func (h *household) remember() {
	h.t.Helper()
	h.lives = make(map[unit.Name]string)
	for _, name := range append(slices.Clone(single), everyUnit) {
		if h.show(h.home, name, "MainPID") != "0" {
			h.lives[name] = h.life(h.home, name)
		}
	}
}

// unhurt fails the test if any of these units is not what it was at home.
func (h *household) unhurt(after string, names ...unit.Name) {
	h.t.Helper()
	for _, name := range names {
		if now := h.show(h.home, name, "MainPID") + " " + h.show(h.home, name, "InvocationID"); now != h.lives[name] {
			h.t.Errorf("after %s, %s was %q and is %q", after, name, h.lives[name], now)
		}
	}
}

// in is the same household in a subtest.
func (h household) inside(w *world) household {
	h.world = w
	return h
}

// leave destroys a household and waits until nothing of it is left.
func (w *world) leave() {
	w.t.Helper()
	w.clear()
	for _, h := range w.Hosts() {
		w.dropMetadata(h, "exile")
	}
}

// whole waits until everything runs, each unit once.
func (h household) whole(within time.Duration) {
	h.t.Helper()
	one := func(u api.Unit) bool { return runs(u) && len(u.Copies) == 1 }
	h.awaitAll(within, single, "each runs, once", one)
	h.await(within, everyUnit, "it runs on all", runsOnAll(h.Hosts()...))
}

// numbersGrow fails the test unless every later run of each of these fenced units had a fencing number that was greater than
// before, or, if the unit was started again under the same order, the same.
func (w *world) numbersGrow(names ...unit.Name) {
	w.t.Helper()
	for _, name := range names {
		number := w.fencingNumbers(name)
		var last int64
		var where string
		for _, r := range w.runsSince(0) {
			n := number[r.Invocation]
			if r.Unit != name || n == 0 {
				continue // it was ended before it could write
			}
			if n < last || n == last && r.Host != where {
				w.t.Errorf("%s had the number %d after %d on %s: %s", name, n, last, where, r)
			}
			last, where = n, r.Host
		}
		if last == 0 {
			w.t.Errorf("%s never told its number", name)
		}
	}
}

// fencingNumbers are those that the runs of a unit had, by their invocation.
func (w *world) fencingNumbers(name unit.Name) map[string]int64 {
	w.t.Helper()
	number := make(map[string]int64) // by invocation
	for _, h := range w.Hosts() {
		data, err := h.ReadFile(filepath.Join("/var/fence", string(name)))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			var invocation string
			var n int64
			if _, err := fmt.Sscan(line, &invocation, &n); err != nil || n <= 0 {
				w.t.Errorf("%s started on %s with %q", name, h.Name, line)
			}
			number[invocation] = n
		}
	}
	return number
}

// overtaken fails the test unless the run of a fenced unit that took the place of those on a host has a number greater than theirs.
func (w *world) overtaken(h *testbed.Host, name unit.Name) {
	w.t.Helper()
	number := w.fencingNumbers(name)
	latest := w.latestRun(name)
	var there int64
	for _, r := range w.runsSince(0) {
		if r.Unit == name && r.Host == h.Name {
			there = max(there, number[r.Invocation])
		}
	}
	if now := number[latest.Invocation]; latest.Host == h.Name || there == 0 || now <= there {
		w.t.Errorf("%s had the number %d on %s, and has %d on %s", name, there, h.Name, now, latest.Host)
	}
}

// awaitState waits until a machine is listed as being so.
func (w *world) awaitState(within time.Duration, h *testbed.Host, want cluster.MachineState) {
	w.t.Helper()
	w.eventually(within, fmt.Sprintf("%s is %s", h.Name, want), func() (bool, string) {
		machines, err := w.any().MachinesWith(w.ctx(), api.ListOptions{Absent: true})
		for _, m := range machines {
			if m.ID == idOf(h) {
				return m.State == want, fmt.Sprintf("it is %s", m.State)
			}
		}
		return false, fmt.Sprint("it is not listed", err)
	})
}

// signal sends a signal to a service of a host.
func (w *world) signal(h *testbed.Host, service string, signal syscall.Signal) {
	w.t.Helper()
	if err := h.Signal(w.ctx(), service, signal); err != nil {
		w.t.Fatal(err)
	}
}

// ended waits until the last run of a unit on the host is over, and returns it.
func (w *world) ended(within time.Duration, name unit.Name, h *testbed.Host) record.Run {
	w.t.Helper()
	var last record.Run
	w.eventually(within, fmt.Sprintf("%s has ended on %s", name, h.Name), func() (bool, string) {
		last = record.Run{}
		for _, r := range w.witness.Runs(w.start) {
			if r.Unit == name && r.Host == h.Name {
				last = r
			}
		}
		return last.End != 0, fmt.Sprint(last)
	})
	return last
}
