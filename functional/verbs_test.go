//go:build functional

package functional

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"fleet/api"
	"fleet/cluster"
	"fleet/functional/testbed"
	"fleet/unit"
)

// What each verb promises has to be true at the moment fleetctl returns.
func TestEveryVerbDoesWhatItSaysTenTimesOver(t *testing.T) {
	w := shared(t)
	path := w.file("verbs.service", sleeper)
	for range 10 {
		w.mustFleetctl("submit", path)
		if u := w.unit("verbs.service"); u.DesiredState != cluster.Inactive || len(u.Copies) > 0 {
			t.Fatalf("submitted: %+v", u)
		}
		w.mustFleetctl("load", "verbs.service")
		h := w.hostOf(w.unit("verbs.service").MachineID)
		w.expectOnHost(h, "verbs.service", "loaded inactive")
		w.mustFleetctl("start", "verbs.service")
		w.expectOnHost(h, "verbs.service", "loaded active")
		w.mustFleetctl("stop", "verbs.service")
		w.expectOnHost(h, "verbs.service", "loaded inactive")
		w.mustFleetctl("unload", "verbs.service")
		w.expectOnHost(h, "verbs.service", "not-found inactive")
		if files := w.unitFiles(h); len(files) > 0 {
			t.Fatalf("unloaded, and the host still has %v", files)
		}
		w.mustFleetctl("start", "verbs.service")
		h = w.hostOf(w.unit("verbs.service").MachineID)
		w.mustFleetctl("destroy", "verbs.service")
		w.expectOnHost(h, "verbs.service", "not-found inactive")
		if out, code := w.fleetctl("cat", "verbs.service"); code != 3 {
			t.Fatalf("destroyed, and cat says (%d) %s", code, out)
		}
	}
}

// expectOnHost compares what the host's systemd says now.
func (w *world) expectOnHost(h *testbed.Host, name unit.Name, want string) {
	w.t.Helper()
	got := w.show(h, name, "LoadState") + " " + w.show(h, name, "ActiveState")
	if got != want {
		w.t.Fatalf("%s on %s is %q, want %q", name, h.Name, got, want)
	}
}

func TestInstancesKeepTheTextOfTheTemplateTheyWereMadeFrom(t *testing.T) {
	w := shared(t)
	template := "[Service]\nExecStart=/bin/sleep %s\nEnvironment=I=%%i\n"
	w.mustFleetctl("submit", w.file("inst@.service", fmt.Sprintf(template, "1001")))
	w.mustFleetctl("start", "inst@1", "inst@2")
	w.mustFleetctl("submit", "--replace", w.file("inst@.service", fmt.Sprintf(template, "1002")))
	w.mustFleetctl("start", "inst@3")
	for name, want := range map[unit.Name]string{"inst@1.service": "1001", "inst@2.service": "1001", "inst@3.service": "1002"} {
		u := w.await(soon, name, "it runs", runs)
		h := w.hostOf(u.MachineID)
		instance := strings.TrimSuffix(string(name[5:]), ".service")
		w.eventually(soon, fmt.Sprintf("%s runs the text with %s, instance %s", name, want, instance), func() (bool, string) {
			seen := w.sh(h, fmt.Sprintf("cd /proc/%d; tr '\\0' '\\n' <cmdline; tr '\\0' '\\n' <environ", live(u)[0].MainPID))
			return strings.Contains(seen, want) && strings.Contains(seen, "\nI="+instance), seen
		})
	}
	if out, code := w.fleetctl("start", "inst@.service"); code == 0 {
		t.Errorf("a template itself was started: %s", out)
	}
	w.mustFleetctl("destroy", "inst@2.service")
	w.await(soon, "inst@1.service", "it still runs", runs)
	w.await(soon, "inst@.service", "the template is still there", func(u api.Unit) bool { return !u.Absent })
}

func TestAFileReachesSystemdByteForByte(t *testing.T) {
	w := shared(t)
	raw := []byte("# a comment\r\n; another\r\n\r\n[Unit]\r\nDescription=caf\xc3\xa9 \\\r\n  on two lines\r\n" +
		"[Service]\r\nExecStart=/bin/sleep \\\r\n# inside\r\n infinity\r\nEnvironment=A=1\r\nEnvironment=\r\nEnvironment=A=2   \r\n\t\r\n[X-Fleet]\r\n\r\n# no newline at the end")
	if _, err := w.any().PutFile(w.ctx(), "bytes.service", raw, api.PutFileOptions{Desired: cluster.Launched}); err != nil {
		t.Fatal(err)
	}
	h := w.hostOf(w.await(soon, "bytes.service", "it runs", runs).MachineID)
	onHost, err := h.ReadFile("/run/fleet/units/bytes.service")
	if err != nil || !bytes.Equal(onHost, raw) {
		t.Errorf("on the host: %v\n%q\nsubmitted:\n%q", err, onHost, raw)
	}
	back, err := w.any().File(w.ctx(), "bytes.service")
	if err != nil || !bytes.Equal(back, raw) {
		t.Errorf("from the API: %v\n%q\nsubmitted:\n%q", err, back, raw)
	}
	if out := w.mustFleetctl("cat", "bytes.service"); out != string(raw) {
		t.Errorf("fleetctl cat:\n%q\nsubmitted:\n%q", out, raw)
	}
	if got := w.show(h, "bytes.service", "Environment"); got != "A=2" {
		t.Errorf("systemd read Environment as %q", got)
	}
}

func TestStartBringsBackAUnitThatCrashedAndRestartReplacesTheProcess(t *testing.T) {
	w := shared(t)
	h := w.launch("crash.service", sleeper)
	before := w.life(h, "crash.service")
	w.exec(h, "systemctl", "kill", "--signal=SEGV", "crash.service")
	u := w.await(soon, "crash.service", "it is shown as failed", func(u api.Unit) bool { return live(u)[0].Active == "failed" })
	if live(u)[0].Result != "signal" && live(u)[0].Result != "core-dump" {
		t.Errorf("it is shown with result %q", live(u)[0].Result)
	}
	w.mustFleetctl("start", "crash.service")
	started := w.life(h, "crash.service")
	w.mustFleetctl("start", "crash.service")
	if again := w.life(h, "crash.service"); again != started || started == before {
		t.Errorf("lives: %q, after the crash %q, started once more %q", before, started, again)
	}
	w.mustFleetctl("restart", "crash.service")
	if restarted := w.life(h, "crash.service"); restarted == started {
		t.Errorf("after restart it is still the process %q", restarted)
	}
}

func TestAChangedFileReplacesTheRunningUnit(t *testing.T) {
	w := shared(t)
	h := w.launch("change.service", stamped)
	out := w.mustFleetctl("start", w.file("change.service", stamped+"Environment=NEW=1\n"))
	if got := w.show(h, "change.service", "Environment"); got != "" || !strings.Contains(out, "--replace") {
		t.Errorf("start with another file, without --replace: environment %q\n%s", got, out)
	}
	w.mustFleetctl("start", "--replace", w.file("change.service", stamped+"Environment=NEW=1\n"))
	if got := w.show(h, "change.service", "Environment"); got != "NEW=1" {
		t.Errorf("environment of the new one: %q", got)
	}
	w.neverTwo("change.service", nil)
	if all := w.spans("change.service"); len(all) != 2 {
		t.Errorf("it ran %v, want twice", all)
	}
}

func TestAUnitOfTheHostsOwnIsRefusedByName(t *testing.T) {
	w := shared(t)
	for _, name := range []unit.Name{"dbus.service", "systemd-journald.service"} {
		before := w.life(w.host(1), name)
		out, code := w.fleetctl("start", w.file(name, sleeper+"[X-Fleet]\nMachineID="+w.host(1).MachineID+"\n"))
		if code != 4 || !strings.Contains(out, string(name)) || !strings.Contains(out, "host") {
			t.Errorf("start %s: exit code %d\n%s", name, code, out)
		}
		w.mustFleetctl("destroy", string(name))
		if after := w.life(w.host(1), name); after != before {
			t.Errorf("the host's %s was %q and is %q", name, before, after)
		}
	}
}

func TestABadUnitAmongGoodOnesFailsAlone(t *testing.T) {
	w := shared(t)
	args := []string{"start"}
	for i := range 6 {
		args = append(args, w.file(unit.Name(fmt.Sprintf("good%d.service", i)), sleeper))
	}
	args = append(args, w.file("bad.service", "[Service]\nType=simple\nExecStart=not-an-absolute-path\n"))
	out, code := w.fleetctl(args...)
	if code != 4 || !strings.Contains(out, "bad.service") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	for i := range 6 {
		w.await(soon, unit.Name(fmt.Sprintf("good%d.service", i)), "it runs", runs)
	}
	bad := w.await(soon, "bad.service", "it failed", failed)
	if message := bad.Outcome.Message; message == "" {
		t.Errorf("what is wrong with it is not said: %+v", bad)
	}
	if states, err := w.any().States(w.ctx()); err != nil || len(states) != 7 {
		t.Errorf("%d states, %v", len(states), err)
	}
	w.mustFleetctl("start", "--replace", w.file("bad.service", sleeper))
}

func TestAMistakeInXFleetIsToldWithItsLineAndNothingIsStored(t *testing.T) {
	w := shared(t)
	out, code := w.fleetctl("submit", w.file("typo.service", sleeper+"[X-Fleet]\nMachineMetdata=disk=ssd\n"))
	if code == 0 || !strings.Contains(out, "typo.service:4:") || !strings.Contains(out, "MachineMetadata") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	_, err := w.any().PutFile(w.ctx(), "typo.service", []byte(sleeper+"[X-Fleet]\nGlobal=perhaps\n"), api.PutFileOptions{})
	if err == nil || !strings.Contains(err.Error(), "Global") {
		t.Errorf("the server says: %v", err)
	}
	if units, err := w.any().Units(w.ctx()); err != nil || len(units) > 0 {
		t.Errorf("stored: %v, %v", units, err)
	}
}

func TestAUnitCanBeStoppedAndDestroyedWhileItStarts(t *testing.T) {
	w := shared(t)
	w.put("endless.service", "[Service]\nExecStartPre=/bin/sleep infinity\nExecStart=/bin/true\nTimeoutStartSec=infinity\n", cluster.Launched)
	starting := func(u api.Unit) bool { return len(live(u)) == 1 && live(u)[0].Active == "activating" }
	h := w.hostOf(w.await(soon, "endless.service", "it is being started", starting).MachineID)
	w.mustFleetctl("stop", "endless.service")
	// To systemd an ExecStartPre that had to be killed is a failure.
	w.expectOnHost(h, "endless.service", "loaded failed")
	w.mustFleetctl("start", "--no-block", "endless.service")
	w.await(soon, "endless.service", "it is being started again", starting)
	w.mustFleetctl("destroy", "endless.service")
	w.expectOnHost(h, "endless.service", "not-found inactive")
}

func TestEveryNameThatSystemdAcceptsCanBeRun(t *testing.T) {
	w := shared(t)
	for _, name := range []unit.Name{
		`odd\x2dname@a\x2db:c.service`, "UPPER_case.9.service", "-dash.service", "..service",
		unit.Name(strings.Repeat("n", 255-len(".service")) + ".service"),
	} {
		w.put(name, sleeper, cluster.Launched)
		h := w.hostOf(live(w.await(soon, name, "it runs", runs))[0].MachineID)
		w.destroy(name)
		w.await(soon, name, "it is gone", gone)
		if files := w.unitFiles(h); len(files) > 0 {
			t.Errorf("%s: on the host is still %v", name, files)
		}
	}
}
