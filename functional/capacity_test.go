//go:build functional

package functional

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"fleet/api"
	"fleet/functional/testbed"
	"fleet/unit"
)

const fleetConf = "/etc/fleet/fleet.conf"

// machine is a host as the API of another one shows it.
func (w *world) machine(h *testbed.Host) (api.Machine, error) {
	all, err := w.via(w.others(h)[0]).Machines(w.ctx())
	if err != nil {
		return api.Machine{}, err
	}
	for _, m := range all {
		if m.ID == idOf(h) && m.Capacity != nil {
			return m, nil
		}
	}
	return api.Machine{}, fmt.Errorf("%s is not listed with a capacity", h.Name)
}

// awaitOffer waits until a host is shown with a capacity of which the condition holds.
func (w *world) awaitOffer(h *testbed.Host, what string, holds func(api.Capacity) bool) api.Machine {
	w.t.Helper()
	var m api.Machine
	w.eventually(soon, what, func() (ok bool, seen string) {
		var err error
		if m, err = w.machine(h); err != nil {
			return false, err.Error()
		}
		return holds(*m.Capacity), fmt.Sprintf("%+v", *m.Capacity)
	})
	return m
}

// reconfigure adds settings to a host's, and puts the former back after the test.
func (w *world) reconfigure(h *testbed.Host) (add func(lines string)) {
	w.t.Helper()
	was, err := h.ReadFile(fleetConf)
	if err != nil {
		w.t.Fatal(err)
	}
	add = func(lines string) {
		w.t.Helper()
		if err := h.WriteFile(fleetConf, append(was[:len(was):len(was)], lines...), 0o644); err != nil {
			w.t.Fatal(err)
		}
	}
	w.t.Cleanup(func() {
		add("")
		w.exec(h, "systemctl", "reload", "fleetd.service")
	})
	return add
}

// What a machine offers is what its host has, and changes with its settings while
// fleetd and all units go on.
func TestCapacityChangesByReloadAndTouchesNothing(t *testing.T) {
	w := shared(t)
	h := w.host(2)
	here := onlyOn("MachineID=" + h.MachineID)
	hosts := w.launchAll(map[unit.Name]string{"calm1.service": here, "calm2.service": here})
	before, daemon := w.lives(hosts), w.life(h, "fleetd.service")
	detected := w.awaitOffer(h, "what is detected is shown", func(c api.Capacity) bool { return c.Memory > 0 && c.CPU > 0 && c.Disk > 0 })
	session := w.exec(h, "grep", "-o", `"lease":[0-9]*`, "/run/fleet/session.json")
	t.Logf("detected, less the reserve: %+v", *detected.Capacity)

	add := w.reconfigure(h)
	add("capacity_memory = 3G\nreserve_memory = 1G\ncapacity_cpu = 150%\nresources = gpu=2\nmax_units = 77\n")
	w.exec(h, "systemctl", "reload", "fleetd.service")
	m := w.awaitOffer(h, "what is set is shown", func(c api.Capacity) bool { return c.Memory == 2<<30 })
	if c := m.Capacity; c.CPU != 1500 || c.MaxUnits != 77 || !maps.Equal(c.Named, map[string]int64{"gpu": 2}) || c.Disk != detected.Capacity.Disk {
		t.Errorf("it offers %+v", *c)
	}

	since := time.Now()
	add("capacity_memory = 1G\nreserve_memory = 2G\n")
	if out := w.sh(h, "systemctl reload fleetd.service 2>&1 || echo refused"); !strings.Contains(out, "refused") {
		t.Errorf("a reload of settings that cannot be used: %s", out)
	}
	w.exec(h, "systemctl", "kill", "--signal=HUP", "--kill-who=main", "fleetd.service")
	w.eventually(soon, "the log names the setting", func() (bool, string) {
		logs, err := h.Logs(w.ctx(), fmt.Sprintf("--since=@%d", since.Unix()), "--output=cat")
		return err == nil && strings.Contains(logs, "reserve_memory = 2G ("+fleetConf) && strings.Contains(logs, "going on with the former ones"), logs
	})
	if m, err := w.machine(h); err != nil || m.Capacity.Memory != 2<<30 || m.Capacity.MaxUnits != 77 {
		t.Errorf("after settings that cannot be used: %+v, %v", m.Capacity, err)
	}

	add("")
	w.exec(h, "systemctl", "reload", "fleetd.service")
	w.awaitOffer(h, "what is detected is shown again", func(c api.Capacity) bool {
		return c.Memory == detected.Capacity.Memory && c.MaxUnits == detected.Capacity.MaxUnits && len(c.Named) == 0
	})
	w.sameLives(before, hosts, "reloads")
	if now := w.life(h, "fleetd.service"); now != daemon {
		t.Errorf("fleetd was %s and is %s", daemon, now)
	}
	w.eventually(soon, "systemd takes fleetd for reloaded", func() (bool, string) {
		state := w.show(h, "fleetd.service", "ActiveState")
		return state == "active", state
	})
	if now := w.exec(h, "grep", "-o", `"lease":[0-9]*`, "/run/fleet/session.json"); now != session {
		t.Errorf("the session was %s and is %s", session, now)
	}
	w.unchanged(time.Second, "calm1.service", "calm2.service")
}
