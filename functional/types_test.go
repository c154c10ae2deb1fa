//go:build functional

package functional

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/cluster"
)

func TestAUnitThatFailsIsShownWithItsLastLogLinesAndExitCode4(t *testing.T) {
	w := shared(t)
	// journald finds out whose line it is while the process lives.
	out, code := w.fleetctl("start", w.file("fails.service", `[Service]
ExecStart=/bin/sh -c 'echo the disk is on fire; until journalctl -q -o cat _SYSTEMD_INVOCATION_ID=$$INVOCATION_ID | grep -q fire; do sleep 0.05; done; exit 3'
`))
	if code != 4 || !strings.Contains(out, "the disk is on fire") {
		t.Errorf("start: exit code %d\n%s", code, out)
	}
	c := live(w.await(soon, "fails.service", "it is shown as failed", failed))[0]
	if c.ExitStatus != 3 || c.Result != "exit-code" {
		t.Errorf("shown with result %q, exit status %d", c.Result, c.ExitStatus)
	}
	out, _ = w.fleetctl("status", "fails.service")
	if !strings.Contains(out, "the disk is on fire") {
		t.Errorf("status does not show why:\n%s", out)
	}
}

// What a unit wrote reaches a busy journal after its death, when the journal can
// no longer tell which run of the unit it was.
func TestTheLastWordsOfAUnitAreShownHoweverBusyTheJournalIs(t *testing.T) {
	w := shared(t)
	h := w.host(1)
	w.put("words.service", "[Service]\nExecStart=/bin/sh -c 'echo my last words; exit 1'\n[X-Fleet]\nMachineID="+h.MachineID+"\n", cluster.Loaded)
	w.await(soon, "words.service", "it is loaded", done)
	w.sh(h, "kill -STOP $(pgrep -x systemd-journal)")
	w.ask("words.service", cluster.Launched)
	w.eventually(soon, "it has failed", func() (bool, string) {
		state := w.show(h, "words.service", "ActiveState")
		return state == "failed", state
	})
	w.sh(h, "kill -CONT $(pgrep -x systemd-journal)")
	u := w.await(soon, "words.service", "it is shown as failed", failed)
	if log := strings.Join(live(u)[0].Log, "\n"); !strings.Contains(log, "my last words") {
		t.Errorf("the log that is shown:\n%s", log)
	}
}

func TestStartWaitsForAUnitThatNeedsItsTime(t *testing.T) {
	w := shared(t)
	const needs = 4 * time.Second
	path := w.file("slow.service", fmt.Sprintf("[Service]\nExecStartPre=/bin/sleep %d\nExecStart=/bin/sleep infinity\n", needs/time.Second))
	began := time.Now()
	w.mustFleetctl("start", path)
	if took := time.Since(began); took < needs {
		t.Errorf("start returned after %s", took)
	}
	w.expectOnHost(w.hostOf(w.unit("slow.service").MachineID), "slow.service", "loaded active")
}

func TestAOneshotRunsToItsEnd(t *testing.T) {
	w := shared(t)
	w.mustFleetctl("start", w.file("once.service",
		"[Service]\nType=oneshot\nExecStart=/bin/sleep 1\nExecStart=/bin/sh -c 'echo did it >>/var/once'\n"))
	h := w.hostOf(w.unit("once.service").MachineID)
	defer w.exec(h, "rm", "-f", "/var/once")
	if got := w.sh(h, "cat /var/once"); got != "did it" {
		t.Errorf("when start returned it had done %q", got)
	}
	w.expectOnHost(h, "once.service", "loaded inactive")
	w.unchanged(2*time.Second, "once.service")
	w.mustFleetctl("start", "once.service")
	if got := w.sh(h, "cat /var/once"); got != "did it\ndid it" {
		t.Errorf("started twice it did %q", got)
	}
	out, code := w.fleetctl("start", w.file("oncebad.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n"))
	if code != 4 {
		t.Errorf("a oneshot that fails: exit code %d\n%s", code, out)
	}
}

func TestASocketStartsItsServiceWhenSomebodyConnects(t *testing.T) {
	w := shared(t)
	const answer = `open(L,"+<&=3"); while (accept(C,L)) { print C "hello\n"; close C }`
	w.put("greet.service", "[Service]\nExecStart=/usr/bin/perl -e '"+answer+"'\n", cluster.Loaded)
	h := w.hostOf(w.await(soon, "greet.service", "it is loaded", done).MachineID)
	w.mustFleetctl("start", w.file("greet.socket", "[Socket]\nListenStream=7007\n[X-Fleet]\nMachineOf=greet.service\n"))
	w.expectOnHost(h, "greet.socket", "loaded active")
	w.expectOnHost(h, "greet.service", "loaded inactive")

	conn, err := net.DialTimeout("tcp", h.Address.String()+":7007", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(soon)); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || string(got) != "hello\n" {
		t.Errorf("the service answered %q, %v", got, err)
	}
	w.await(soon, "greet.service", "it is shown as running", func(u api.Unit) bool { return isRunning(live(u)[0]) })
}

func TestATimerAndAPathStartTheirServices(t *testing.T) {
	w := shared(t)
	touch := func(file string) string {
		return "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo ran >>" + file + "'\n"
	}
	w.put("tick.service", touch("/run/ticked"), cluster.Loaded)
	w.put("tick.timer", "[Timer]\nOnActiveSec=1s\nAccuracySec=10ms\n[X-Fleet]\nMachineOf=tick.service\n", cluster.Launched)
	w.put("watch.service", touch("/run/watched"), cluster.Loaded)
	w.put("watch.path", "[Path]\nPathModified=/run/trigger\n[X-Fleet]\nMachineOf=watch.service\n", cluster.Launched)

	timer := w.hostOf(w.await(soon, "tick.timer", "it runs", runs).MachineID)
	w.eventually(soon, "the timer ran its service", func() (bool, string) {
		data, err := timer.ReadFile("/run/ticked")
		return strings.Contains(string(data), "ran"), fmt.Sprint(string(data), err)
	})
	path := w.hostOf(w.await(soon, "watch.path", "it runs", runs).MachineID)
	w.sh(path, "echo now >/run/trigger")
	w.eventually(soon, "the path ran its service", func() (bool, string) {
		data, err := path.ReadFile("/run/watched")
		return strings.Contains(string(data), "ran"), fmt.Sprint(string(data), err)
	})
	w.sh(timer, "rm -f /run/ticked")
	w.sh(path, "rm -f /run/watched /run/trigger")
}

func TestATargetPullsInWhatIsInstalledInIt(t *testing.T) {
	w := shared(t)
	w.put("group.target", "[Unit]\nDescription=A group\n", cluster.Loaded)
	h := w.hostOf(w.await(soon, "group.target", "it is loaded", done).MachineID)
	w.put("member.service", sleeper+"[Install]\nWantedBy=group.target\n[X-Fleet]\nMachineOf=group.target\n", cluster.Loaded)
	w.await(soon, "member.service", "it is loaded", done)
	w.expectOnHost(h, "member.service", "loaded inactive")
	if got := w.show(h, "member.service", "UnitFileState"); got != "enabled-runtime" {
		t.Errorf("its [Install] is %q", got)
	}
	w.mustFleetctl("start", "group.target")
	w.expectOnHost(h, "group.target", "loaded active")
	w.await(soon, "member.service", "it runs", func(u api.Unit) bool { return isRunning(live(u)[0]) })

	w.destroy("member.service")
	w.await(soon, "member.service", "it is gone", gone)
	if got := w.show(h, "group.target", "Wants"); strings.Contains(got, "member.service") {
		t.Errorf("after it was destroyed the target still wants %q", got)
	}
}

// The old pain: destroy and submit again while ExecStop is still at work, and it is
// skipped, or overlaps with the new one.
func TestALongExecStopIsFinishedBeforeTheUnitSubmittedAnewStarts(t *testing.T) {
	w := shared(t)
	const file = stamped + "ExecStop=/bin/sh -c 'sleep 6; echo flushed >>/var/flushed'\nTimeoutStopSec=30\n"
	old := w.launch("drain.service", file)
	defer w.exec(old, "rm", "-f", "/var/flushed")
	w.destroy("drain.service")
	w.put("drain.service", file+"Environment=NEW=1\n", cluster.Launched)
	h := w.hostOf(w.await(2*soon, "drain.service", "the new one runs", runs).MachineID)
	if got := w.sh(old, "cat /var/flushed"); got != "flushed" {
		t.Errorf("ExecStop did %q", got)
	}
	if got := w.show(h, "drain.service", "Environment"); got != "NEW=1" {
		t.Errorf("the environment of the new one is %q", got)
	}
	w.neverTwo("drain.service", nil)
	if all := w.spans("drain.service"); len(all) != 2 || all[0].end.IsZero() {
		t.Errorf("it ran %v, want twice", all)
	}
}

// One request replaces a unit that runs: it is stopped as its old file says, to the end, and never beside the new one.
func TestALongExecStopOfTheOldFileIsFinishedBeforeTheReplacementStarts(t *testing.T) {
	w := shared(t)
	old := w.launch("swap.service", stamped+"ExecStop=/bin/sh -c 'sleep 3; echo old >>/var/swapped'\nTimeoutStopSec=30\n")
	defer w.exec(old, "rm", "-f", "/var/swapped")
	w.mustFleetctl("start", "--replace", w.file("swap.service", stamped+"ExecStop=/bin/sh -c 'echo new >>/var/swapped'\nEnvironment=NEW=1\n"))
	h := w.hostOf(w.unit("swap.service").MachineID)
	if got := w.show(h, "swap.service", "Environment"); got != "NEW=1" {
		t.Errorf("the environment of the new one is %q", got)
	}
	if got := w.sh(old, "cat /var/swapped"); got != "old" {
		t.Errorf("ExecStop did %q", got)
	}
	w.neverTwo("swap.service", nil)
	if all := w.spans("swap.service"); len(all) != 2 || all[0].end.IsZero() {
		t.Errorf("it ran %v, want twice", all)
	}
	w.mustFleetctl("destroy", "swap.service")
}

func TestMountsAndSlicesAreUnitsToo(t *testing.T) {
	w := shared(t)
	w.put("srv-data.mount", "[Mount]\nWhat=tmpfs\nWhere=/srv/data\nType=tmpfs\nOptions=size=1m\n", cluster.Launched)
	h := w.hostOf(w.await(soon, "srv-data.mount", "it is mounted", runs).MachineID)
	if got := w.sh(h, "stat -f -c %T /srv/data"); got != "tmpfs" {
		t.Errorf("/srv/data is %q", got)
	}
	w.put("pool.slice", "[Slice]\nTasksMax=100\n[X-Fleet]\nMachineOf=srv-data.mount\n", cluster.Launched)
	w.await(soon, "pool.slice", "it is active", runsOn(h))
	w.destroy("pool.slice")
	w.destroy("srv-data.mount")
	w.await(soon, "srv-data.mount", "it is gone", gone)
	if got := w.sh(h, "stat -f -c %T /srv/data"); got == "tmpfs" {
		t.Error("it is still mounted")
	}
}
