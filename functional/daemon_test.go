//go:build functional

package functional

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/functional/testbed"
	"fleet/unit"
)

// lives are the lives of units, by name, where they run.
func (w *world) lives(hosts map[unit.Name]*testbed.Host) map[unit.Name]string {
	w.t.Helper()
	lives := make(map[unit.Name]string)
	for name, h := range hosts {
		lives[name] = h.Name + " " + w.life(h, name)
	}
	return lives
}

func (w *world) sameLives(before map[unit.Name]string, hosts map[unit.Name]*testbed.Host, after string) {
	w.t.Helper()
	for name, now := range w.lives(hosts) {
		if now != before[name] {
			w.t.Errorf("%s was %q and, after %s, is %q", name, before[name], after, now)
		}
	}
}

func TestWhateverHappensToFleetdUnitsKeepTheirProcesses(t *testing.T) {
	w := shared(t)
	w.put("keep-every.service", onlyOn("Global=true"), "launched")
	hosts := w.launchAll(map[unit.Name]string{"keep1.service": stamped, "keep2.service": sleeper, "keep3.service": sleeper})
	before := w.lives(hosts)
	onEach := func(what string, do func(h *testbed.Host)) {
		for _, h := range w.Hosts() {
			do(h)
			w.awaitMachines(soon, w.Hosts()...)
		}
		w.sameLives(before, hosts, what)
		all := []unit.Name{"keep1.service", "keep2.service", "keep3.service", "keep-every.service"}
		w.awaitAll(soon, all, "every machine has told how it is", done)
		w.unchanged(time.Second, all...)
	}
	onEach("kill -9", func(h *testbed.Host) {
		was := w.show(h, "fleetd.service", "InvocationID")
		if err := h.KillFleetd(w.ctx()); err != nil {
			t.Fatal(err)
		}
		w.eventually(soon, "fleetd is there again", func() (bool, string) {
			now := w.show(h, "fleetd.service", "InvocationID") + " " + w.show(h, "fleetd.service", "ActiveState")
			return now != was+" active" && strings.HasSuffix(now, " active"), now
		})
	})
	onEach("stop and start", func(h *testbed.Host) {
		w.exec(h, "systemctl", "stop", "fleetd.service")
		w.exec(h, "systemctl", "start", "fleetd.service")
	})
	upgraded := filepath.Join(t.TempDir(), "fleetd")
	binary, err := os.ReadFile(filepath.Join(source, "bin/fleetd"))
	if err != nil {
		t.Fatal(err)
	}
	// Another file of the same program: what stands behind its end is not looked at.
	if err := os.WriteFile(upgraded, append(binary, "a new version"...), 0o755); err != nil {
		t.Fatal(err)
	}
	onEach("upgrade", func(h *testbed.Host) {
		if err := h.InstallFleetd(upgraded); err != nil {
			t.Fatal(err)
		}
		if err := h.RestartFleetd(w.ctx()); err != nil {
			t.Fatal(err)
		}
		pid := w.show(h, "fleetd.service", "MainPID")
		if size := w.exec(h, "stat", "-Lc", "%s", "/proc/"+pid+"/exe"); size != fmt.Sprint(len(binary)+len("a new version")) {
			t.Errorf("%s runs a fleetd of %s bytes", h.Name, size)
		}
	})
	// And they still obey.
	w.mustFleetctl("restart", "keep1.service")
	w.mustFleetctl("stop", "keep2.service")
	w.mustFleetctl("destroy", "keep3.service")
	w.neverTwo("keep1.service", nil)
}

func TestWhatHappenedToUnitsWhileFleetdWasAwayIsShownAfterwards(t *testing.T) {
	w := shared(t)
	h := w.launch("away.service", onlyOn("MachineID="+w.host(3).MachineID))
	w.launch("other.service", onlyOn("MachineID="+w.host(3).MachineID))
	w.exec(h, "systemctl", "stop", "fleetd.service", "fleet.socket")
	w.exec(h, "systemctl", "kill", "--signal=KILL", "away.service")
	if _, err := w.via(w.host(1)).Destroy(w.ctx(), "other.service"); err != nil {
		t.Fatal(err)
	}
	w.exec(h, "systemctl", "start", "fleet.socket", "fleetd.service")
	w.await(soon, "away.service", "it is shown as failed", func(u api.Unit) bool {
		return len(live(u)) == 1 && live(u)[0].Active == "failed"
	})
	w.await(soon, "other.service", "it is gone", gone)
	w.expectOnHost(h, "other.service", "not-found inactive")
}

func TestFleetdGoesOnWhenSystemdOrDBusRestarts(t *testing.T) {
	w := shared(t)
	h := w.host(2)
	w.launch("bus.service", onlyOn("MachineID="+h.MachineID))
	before, daemon := w.life(h, "bus.service"), w.life(h, "fleetd.service")
	for _, command := range []string{"daemon-reexec", "daemon-reload", "restart dbus.service"} {
		w.exec(h, append([]string{"systemctl"}, strings.Fields(command)...)...)
		w.mustFleetctl("start", w.file("after.service", onlyOn("MachineID="+h.MachineID)))
		w.exec(h, "systemctl", "kill", "--signal=KILL", "after.service")
		w.await(soon, "after.service", "after "+command+" its death is noticed", func(u api.Unit) bool {
			return len(live(u)) == 1 && live(u)[0].Active == "failed"
		})
		w.mustFleetctl("destroy", "after.service")
	}
	if now := w.life(h, "bus.service"); now != before {
		t.Errorf("the unit was %q and is %q", before, now)
	}
	if now := w.life(h, "fleetd.service"); now != daemon {
		t.Errorf("fleetd was %q and is %q", daemon, now)
	}
}

func TestASecondFleetdWithTheSameMachineIDIsRefusedNamingBothAddresses(t *testing.T) {
	w := shared(t)
	first, second := w.host(1), w.host(3)
	w.launch("mine.service", onlyOn("MachineID="+first.MachineID))
	before := w.life(first, "mine.service")
	const dropIn = "/run/systemd/system/fleetd.service.d/twin.conf"
	if err := second.WriteFile("/var/twin-id", []byte(first.MachineID+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := second.WriteFile(dropIn, []byte("[Service]\nEnvironment=FLEET_MACHINE_ID_FILE=/var/twin-id\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	defer func() {
		w.exec(second, "rm", "-f", dropIn, "/var/twin-id")
		if err := second.RestartFleetd(w.ctx()); err != nil {
			t.Error(err)
		}
		w.awaitMachines(soon, w.Hosts()...)
	}()
	since := time.Now()
	if err := second.RestartFleetd(w.ctx()); err != nil {
		t.Fatal(err)
	}
	w.eventually(2*soon, "the second one says who is in its way", func() (bool, string) {
		logs, err := second.Logs(w.ctx(), fmt.Sprintf("--since=@%d", since.Unix()), "--output=cat")
		for line := range strings.Lines(logs) {
			if strings.Contains(line, first.MachineID) && strings.Contains(line, first.Address.String()) && strings.Contains(line, second.Address.String()) {
				t.Logf("it says: %s", line)
				return true, ""
			}
		}
		return false, fmt.Sprint(logs, err)
	})
	machines, err := w.via(first).Machines(w.ctx())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range machines {
		if m.ID == idOf(first) && m.PrimaryIP != first.Address.String() {
			t.Errorf("machine %s is now at %s", m.ID, m.PrimaryIP)
		}
	}
	if now := w.life(first, "mine.service"); now != before {
		t.Errorf("the unit of the first was %q and is %q", before, now)
	}
}

func TestABadSettingIsAnErrorAtStart(t *testing.T) {
	w := shared(t)
	h := w.host(1)
	for _, c := range []struct{ what, config, environment, flag, says string }{
		{"an unknown setting", "agent_tll = 5s\n", "", "", "agent_tll"},
		{"a value that cannot be read", "agent_ttl = soon\n", "", "", "agent_ttl"},
		{"a value that is too small", "", "FLEET_AGENT_TTL=1s", "", "agent_ttl"},
		{"a line that is no setting", "what is this\n", "", "", "what is this"},
		{"an unknown flag", "", "", "--no-such-flag", "no-such-flag"},
		{"an unknown setting in the environment", "", "FLEET_NO_SUCH=1", "", "FLEET_NO_SUCH"},
		{"plain HTTP for everybody", "api_listen = http://0.0.0.0:1\n", "", "", "api_insecure"},
		{"a certificate that is not there", "api_listen = https://0.0.0.0:1\napi_certfile = /nowhere\napi_keyfile = /nowhere\napi_cafile = /nowhere\n", "", "", "/nowhere"},
	} {
		if err := h.WriteFile("/run/bad.conf", []byte(c.config), 0o644); err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s timeout 10 fleetd --config /run/bad.conf --state-dir /run/bad --api-socket /run/bad/socket %s 2>&1; echo exit code $?", c.environment, c.flag)
		out := w.sh(h, line)
		if !strings.Contains(out, c.says) || strings.HasSuffix(out, "exit code 0") || strings.HasSuffix(out, "exit code 124") {
			t.Errorf("%s: %s", c.what, out)
		}
	}
	w.sh(h, "rm -rf /run/bad /run/bad.conf")
}

func TestFleetctlOnAHostNeedsNoSettings(t *testing.T) {
	w := shared(t)
	out := w.exec(w.host(2), "fleetctl", "list-machines")
	for _, h := range w.Hosts() {
		if !strings.Contains(out, h.Address.String()) {
			t.Errorf("%s is not listed:\n%s", h.Name, out)
		}
	}
}
