package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fleet/cluster"
	"fleet/fleetd/capacity"
	"fleet/unit"
)

var testHost = capacity.Host{Memory: 8 << 30, Physical: 8 << 30, CPU: 4000, Disk: 100 << 30}

func settings(t *testing.T, file string, environ ...string) Settings {
	t.Helper()
	inv, err := parse([]string{"--config", writeConfig(t, file)}, environ, true)
	if err != nil {
		t.Fatal(err)
	}
	return inv.settings
}

func TestWhatIsOfferedFollowsTheSettings(t *testing.T) {
	s := settings(t, `
max_units = 50
capacity_memory = 6G
reserve_memory = 25%
capacity_cpu = 150%
reserve_disk = 0
resources = gpu=2, license = 1
`)
	got, err := s.offerOf(testHost)
	if err != nil {
		t.Fatal(err)
	}
	want := cluster.Capacity{MaxUnits: 50, PhysicalMemory: 8 << 30, Resources: unit.Resources{
		Memory: 4 << 30, CPU: 1500, Disk: 100 << 30, Named: map[string]int64{"gpu": 2, "license": 1},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAReserveThatTheHostCannotKeepIsNamedWithWhereItWasSet(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		env  []string
		want string
	}{
		"of what is there": {file: "\nreserve_memory = 9G\n", want: `fleet.conf:2): expect at most 8G, which is what this host has`},
		"of what is set":   {file: "capacity_cpu = 2\n", env: []string{"FLEET_RESERVE_CPU=3"}, want: `reserve_cpu = 3 (environment FLEET_RESERVE_CPU): expect at most 2, which is capacity_cpu = 2 (`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings(t, c.file, c.env...).offerOf(testHost)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v: expect it to say %q", err, c.want)
			}
		})
	}
	_, err := settings(t, "disk_directory = /nonexistent\n").offer()
	if err == nil || !strings.Contains(err.Error(), "disk_directory = /nonexistent (") {
		t.Errorf("error %v: expect it to name the setting", err)
	}
}
