//go:build functional

package functional

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/record"
	"fleet/functional/testbed"
	"fleet/unit"
)

// stubborn is a unit that must not run twice, ignores SIGTERM, has a minute to stop, and is started again by systemd
// whenever it ends. It writes down the number that it was given.
const stubborn = `[Service]
ExecStart=/bin/sh -c 'trap "" TERM; mkdir -p /var/numbers; echo "$$FLEET_FENCE" >>/var/numbers/%n; while :; do sleep 0.2; done'
TimeoutStopSec=60
Restart=always
RestartSec=0
[X-Fleet]
AtMostOnce=yes
`

// numbers are the FLEET_FENCE that a unit was started with on a host.
func (w *world) numbers(h *testbed.Host, name unit.Name) []int64 {
	w.t.Helper()
	var raw []byte
	w.eventually(soon, string(name)+" has written its number", func() (bool, string) {
		var err error
		raw, err = h.ReadFile("/var/numbers/" + string(name))
		return err == nil && bytes.HasSuffix(raw, []byte("\n")), fmt.Sprintf("%q, %v", raw, err)
	})
	var all []int64
	for _, word := range strings.Fields(string(raw)) {
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil || n <= 0 {
			w.t.Fatalf("%s was started with FLEET_FENCE=%q on %s", name, word, h.Name)
		}
		all = append(all, n)
	}
	return all
}

// lastRun is the last run of a unit on a host.
func (w *world) lastRun(h *testbed.Host, name unit.Name) (last record.Run) {
	w.t.Helper()
	for _, r := range w.runsSince(0) {
		if r.Unit == name && r.Host == h.Name {
			last = r
		}
	}
	return last
}

// remove destroys a unit that would take its time to stop.
func (w *world) remove(h *testbed.Host, name unit.Name) {
	w.t.Helper()
	w.destroy(name)
	w.eventually(soon, "it is being stopped", func() (bool, string) {
		state := w.show(h, name, "ActiveState")
		return state != "active", state
	})
	w.exec(h, "systemctl", "kill", "--signal=KILL", string(name))
	w.await(soon, name, "it is gone", gone)
}

// signalFence sends a signal to the main process of a host's fence.
func (w *world) signalFence(h *testbed.Host, signal syscall.Signal) {
	w.t.Helper()
	pid, _, err := h.MainPID(w.ctx(), string(unit.FenceService))
	if err != nil || pid == 0 {
		w.t.Fatalf("the fence of %s: process %d, %v", h.Name, pid, err)
	}
	if err := syscall.Kill(pid, signal); err != nil {
		w.t.Fatal(err)
	}
}

func TestUnitsThatMustNotRunTwice(t *testing.T) {
	t.Parallel()
	w := start(t, testbed.Spec{Name: "fence", Hosts: 5})
	for _, c := range []struct {
		what string
		test func(*world)
	}{
		{"are gone from a machine that is cut off before its lease ends and before they start elsewhere", fencedWhenCutOff},
		{"end with a fence that hangs or is killed, and are started again where they were", fencedWithTheFence},
		{"do not notice what becomes of fleetd", fencedWithoutFleetd},
		{"are frozen by a short cut and killed by a long one", fencedFrozen},
		{"keep their time to stop when they are stopped on purpose", fencedPlannedStop},
		{"are not started by systemd without a permit", fencedPermits},
		{"may be sockets and timers, but no mounts", fencedTypes},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := w.in(t)
			w.awaitMachines(soon, w.Hosts()...)
			c.test(w)
		})
	}
}

func fencedWhenCutOff(w *world) {
	for i, mode := range []testbed.CutMode{testbed.Drop, testbed.Reject, testbed.Unplug} {
		victim := w.host([]int{4, 1, 5}[i]) // one of them is a member of etcd
		name := unit.Name(fmt.Sprintf("once-%s.service", mode))
		w.exileTo(victim, name, stubborn)
		cut := record.Now()
		if err := victim.Cut(w.ctx(), mode); err != nil {
			w.t.Fatal(err)
		}
		u := w.await(2*soon, name, "it runs elsewhere", runsOff(victim))
		replacement := w.hostOf(live(u)[0].MachineID)
		before, after := w.lastRun(victim, name), w.lastRun(replacement, name)
		took, gap := before.End.Sub(cut), after.Start.Sub(before.End)
		w.t.Logf("%s of %s: ended after %s of %s, started elsewhere %s later", mode, victim.Name, took, shortTTL, gap)
		if before.End == 0 || took >= shortTTL || gap <= 0 {
			w.t.Errorf("%s of %s: first %s, then %s, cut at %s", mode, victim.Name, before, after, cut)
		}
		first, second := w.numbers(victim, name), w.numbers(replacement, name)
		if first[len(first)-1] >= second[0] {
			w.t.Errorf("FLEET_FENCE was %v on %s, then %v on %s", first, victim.Name, second, replacement.Name)
		}
		if err := victim.Heal(w.ctx()); err != nil {
			w.t.Fatal(err)
		}
		w.await(2*soon, name, "it stays where it is", alone(replacement))
		w.expectOnHost(victim, name, "not-found inactive")
		w.remove(replacement, name)
		for _, h := range w.Hosts() {
			w.dropMetadata(h, "exile")
		}
	}
}

func fencedWithTheFence(w *world) {
	const name = "fenced.service"
	h := w.launch(name, stubborn)
	for _, signal := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL, syscall.SIGTERM} {
		before, fence := w.life(h, name), w.show(h, unit.FenceService, "InvocationID")
		at := record.Now()
		w.signalFence(h, signal)
		w.await(2*soon, name, "it is back after "+signal.String(), func(u api.Unit) bool {
			return runsOn(h)(u) && live(u)[0].InvocationID != strings.Fields(before)[1]
		})
		var ended record.Run
		for _, r := range w.runsSince(0) {
			if r.Invocation == strings.Fields(before)[1] {
				ended = r
			}
		}
		w.t.Logf("%s: ended after %s, back after %s", signal, ended.End.Sub(at), w.lastRun(h, name).Start.Sub(at))
		if ended.End == 0 || ended.End.Sub(at) >= shortTTL {
			w.t.Errorf("%s to the fence: %s", signal, ended)
		}
		if now := w.show(h, unit.FenceService, "InvocationID"); now == fence {
			w.t.Errorf("after %s the fence is the same", signal)
		}
	}
	w.remove(h, name)
}

func fencedWithoutFleetd(w *world) {
	const name = "noticed.service"
	h := w.launch(name, stubborn)
	before, fence := w.life(h, name), w.life(h, unit.FenceService)
	same := func(after string) {
		w.t.Helper()
		if now := w.life(h, name); now != before {
			w.t.Errorf("after %s the unit was %q and is %q", after, before, now)
		}
		if now := w.life(h, unit.FenceService); now != fence {
			w.t.Errorf("after %s the fence was %q and is %q", after, fence, now)
		}
	}
	other := w.via(w.others(h)[0])
	state := func() cluster.MachineState {
		machines, err := other.Machines(w.ctx())
		if err != nil {
			w.t.Fatal(err)
		}
		i := slices.IndexFunc(machines, func(m api.Machine) bool { return m.ID == idOf(h) })
		if i < 0 {
			return "absent"
		}
		return cluster.MachineState(machines[i].State)
	}
	w.exec(h, "systemctl", "stop", "fleetd.service", "fleet.socket")
	w.eventually(soon, "the machine is silent", func() (bool, string) { s := state(); return s == cluster.StateSilent, string(s) })
	for until := time.Now().Add(3 * shortTTL); time.Now().Before(until); pause() {
		if s := state(); s != cluster.StateSilent {
			w.t.Fatalf("without fleetd the machine is %s", s)
		}
	}
	same("a stop of fleetd")
	w.exec(h, "systemctl", "start", "fleet.socket", "fleetd.service")
	w.eventually(soon, "the machine is ready", func() (bool, string) { s := state(); return s == cluster.StateReady, string(s) })
	same("its start")
	killed := w.life(h, "fleetd.service")
	if err := h.KillFleetd(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(soon, "fleetd is there again", func() (bool, string) {
		now := w.show(h, "fleetd.service", "MainPID") + " " + w.show(h, "fleetd.service", "InvocationID")
		return now != killed && !strings.HasPrefix(now, "0 ") && w.show(h, "fleetd.service", "ActiveState") == "active", now
	})
	w.eventually(soon, "the machine is ready", func() (bool, string) { s := state(); return s == cluster.StateReady, string(s) })
	w.pauseFleetd(h)
	w.eventually(soon, "the machine is silent", func() (bool, string) { s := state(); return s == cluster.StateSilent, string(s) })
	same("a kill and a pause")
	w.resumeFleetd(h)
	if err := h.RestartFleetd(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.await(soon, name, "it runs on", runsOn(h))
	same("a restart")
	for _, command := range []string{"daemon-reload", "daemon-reexec", "restart dbus.service"} {
		w.exec(h, append([]string{"systemctl"}, strings.Fields(command)...)...)
		w.unchanged(2*time.Second, name) // as long as a fence that systemd has lost sight of would last
		same("systemctl " + command)
	}
	w.remove(h, name)
}

func fencedFrozen(w *world) {
	const name = "ice.service"
	h := w.host(4)
	text := strings.Replace(stubborn, "AtMostOnce=yes\n", "AtMostOnce=yes\nOnFence=freeze\nMachineID="+h.MachineID+"\n", 1)
	w.launch(name, text)
	before := w.life(h, name)
	group := w.show(h, name, "ControlGroup")
	frozen := func() (bool, string) {
		events := w.exec(h, "cat", "/sys/fs/cgroup"+group+"/cgroup.events")
		return strings.Contains(events, "frozen 1"), events
	}
	if err := h.Cut(w.ctx(), testbed.Drop); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(shortTTL, "it is frozen", frozen)
	if err := h.Heal(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(shortTTL, "it is thawed", func() (bool, string) { f, events := frozen(); return !f, events })
	if now := w.life(h, name); now != before {
		w.t.Errorf("it was %q and is %q", before, now)
	}
	cut := record.Now()
	if err := h.Cut(w.ctx(), testbed.Drop); err != nil {
		w.t.Fatal(err)
	}
	w.eventually(2*shortTTL, "it has ended", func() (bool, string) {
		r := w.lastRun(h, name)
		return r.End != 0, r.String()
	})
	if took := w.lastRun(h, name).End.Sub(cut); took >= shortTTL {
		w.t.Errorf("it ended after %s", took)
	}
	if err := h.Heal(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.await(2*soon, name, "it is back", func(u api.Unit) bool { return runsOn(h)(u) && !strings.HasSuffix(before, live(u)[0].InvocationID) })
	w.remove(h, name)
}

// It takes longer to stop than a fence would give it.
func fencedPlannedStop(w *world) {
	const name = "slow.service"
	h := w.launch(name, `[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'sleep 3; echo stopped >/var/slow'
TimeoutStopSec=60
[X-Fleet]
AtMostOnce=yes
`)
	w.mustFleetctl("stop", name)
	if said := w.exec(h, "cat", "/var/slow"); said != "stopped" {
		w.t.Errorf("its ExecStop= was not left the time: %q", said)
	}
	w.destroy(name)
	w.await(soon, name, "it is gone", gone)
	for _, path := range []string{"/run/fleet/fence/" + name + ".env", "/run/systemd/system/" + name + ".d"} {
		if out := w.sh(h, "test -e "+path+" && echo there || echo gone"); out != "gone" {
			w.t.Errorf("%s is left", path)
		}
	}
}

func fencedPermits(w *world) {
	const name = "permit.service"
	h := w.launch(name, stubborn)
	w.exec(h, "rm", "/run/fleet/fence/"+name+".env")
	w.exec(h, "systemctl", "kill", "--signal=KILL", name)
	w.await(soon, name, "it does not run", func(u api.Unit) bool { return len(live(u)) == 1 && live(u)[0].Active == "inactive" })
	if out := w.sh(h, "systemctl start "+name+" 2>&1; true"); !strings.Contains(out, "Assertion failed") {
		w.t.Errorf("systemctl start said %q", out)
	}
	w.mustFleetctl("restart", name)
	w.await(soon, name, "asked for, it runs again", runsOn(h))
	w.remove(h, name)
}

func fencedTypes(w *world) {
	w.put("tick.timer", "[Timer]\nOnActiveSec=100ms\nOnUnitActiveSec=200ms\nAccuracySec=10ms\n[X-Fleet]\nAtMostOnce=yes\n", cluster.Launched)
	w.put("tick.service", `[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mkdir -p /var/numbers; echo "$$FLEET_FENCE" >>/var/numbers/%n'
[X-Fleet]
AtMostOnce=yes
MachineOf=tick.timer
`, cluster.Loaded)
	u := w.await(soon, "tick.timer", "it runs", runs)
	h := w.hostOf(live(u)[0].MachineID)
	ticks := func() int { return len(w.numbers(h, "tick.service")) }
	w.eventually(soon, "what the timer starts runs", func() (bool, string) {
		out := w.sh(h, "cat /var/numbers/tick.service 2>/dev/null | wc -l")
		return out != "0", out
	})
	cut := record.Now()
	if err := h.Cut(w.ctx(), testbed.Drop); err != nil {
		w.t.Fatal(err)
	}
	w.await(2*soon, "tick.timer", "it runs elsewhere", runsOff(h))
	stopped := ticks()
	if r := w.lastRun(h, "tick.timer"); r.End == 0 || r.End.Sub(cut) >= shortTTL {
		w.t.Errorf("the timer: %s", r)
	}
	for until := time.Now().Add(time.Second); time.Now().Before(until); pause() {
		if now := ticks(); now != stopped {
			w.t.Fatalf("cut off, the timer went on: %d, then %d", stopped, now)
		}
	}
	if err := h.Heal(w.ctx()); err != nil {
		w.t.Fatal(err)
	}
	w.awaitMachines(soon, w.Hosts()...)
	w.destroy("tick.service")
	w.destroy("tick.timer")
	_, err := w.any().PutFile(w.ctx(), "data.mount", []byte("[Mount]\nWhat=tmpfs\nWhere=/data\nType=tmpfs\n[X-Fleet]\nAtMostOnce=yes\n"), api.PutFileOptions{Desired: cluster.Launched})
	if err == nil || !strings.Contains(err.Error(), "a mount cannot be fenced") {
		w.t.Errorf("a mount that says AtMostOnce: %v", err)
	}
}
