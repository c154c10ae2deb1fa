package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whoever changes state_dir while fleet runs would otherwise have a fleetd that knows of no fence, and a fence that knows of no fleetd.
func TestDirectoriesHoldUntilTheHostIsBootedAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "directories.json")
	settings := func(state, units string) Settings {
		s := Defaults(true, func(string) string { return "" })
		s.StateDir, s.UnitsDirectory = state, units
		return s
	}
	starts := func(s Settings) (Settings, string) {
		var said bytes.Buffer
		s = s.settle(file, slog.New(slog.NewTextHandler(&said, nil)))
		return s, said.String()
	}
	for _, c := range []struct {
		what              string
		booted            bool
		s                 Settings
		state, units, say string
	}{
		{"the first of a boot", true, settings("/run/fleet", ""), "/run/fleet", "/run/fleet/units", ""},
		{"started again", false, settings("/run/fleet", ""), "/run/fleet", "/run/fleet/units", ""},
		{"with another state_dir", false, settings("/run/other", ""), "/run/fleet", "/run/fleet/units", "setting=state_dir was=/run/fleet set=/run/other"},
		{"with another units_directory", false, settings("/run/fleet", "/run/units"), "/run/fleet", "/run/fleet/units", "setting=units_directory was=/run/fleet/units set=/run/units"},
		{"booted again", true, settings("/run/other", "/run/units"), "/run/other", "/run/units", ""},
	} {
		if c.booted {
			_ = os.Remove(file)
		}
		got, said := starts(c.s)
		if got.StateDir != c.state || got.unitsDirectory() != c.units || !strings.Contains(said, c.say) || c.say == "" && said != "" {
			t.Errorf("%s: %s, %s: %s", c.what, got.StateDir, got.unitsDirectory(), said)
		}
		// The fence and the hand-over are where fleetd is.
		other, err := settings("/elsewhere", "/elsewhere").settled(file)
		if err != nil || other.fence() != got.fence() || other.sessionFile() != got.sessionFile() || other.handOverSocket() != got.handOverSocket() {
			t.Errorf("%s: %+v, %v", c.what, other.fence(), err)
		}
	}
	// What cannot be read or written stops no fleetd.
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, said := starts(settings("/run/third", "")); got.StateDir != "/run/third" || !strings.Contains(said, "directories of this boot") {
		t.Errorf("%s: %s", got.StateDir, said)
	}
	if got, _ := starts(settings("/run/fourth", "")); got.StateDir != "/run/third" {
		t.Errorf("mended, it is %s", got.StateDir)
	}
	file = filepath.Join(file, "below a file")
	if got, said := starts(settings("/run/fifth", "")); got.StateDir != "/run/fifth" || !strings.Contains(said, "will not be noticed") {
		t.Errorf("%s: %s", got.StateDir, said)
	}
}
