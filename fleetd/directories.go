package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
)

// directories are where fleetd, its fence and the hand-over of this host meet, and where unit files are. The first fleetd of a boot
// settles them for all until the next: the fence looks where it was told when it started, systemd's links lead to the unit
// files, and the session and the agent's memory are of this boot. A fleetd that began with other ones would find its fence
// guarding nothing that it knows of, and its own units in its way.
type directories struct {
	State string `json:"state_dir"`
	Units string `json:"units_directory"`
}

// directoriesFile is where they are written down: beside what may be set, where every boot begins with nothing. It is empty for a
// user without such a place, who has no systemd either.
func (s Settings) directoriesFile() string {
	runtime := "/run"
	if s.SystemdUser {
		runtime = os.Getenv("XDG_RUNTIME_DIR")
	}
	if runtime == "" {
		return ""
	}
	return filepath.Join(runtime, "fleet-directories.json")
}

// settled are the settings with the directories of this boot, if a fleetd has settled them.
func (s Settings) settled(file string) (Settings, error) {
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	var d directories
	if err == nil {
		err = json.Unmarshal(raw, &d)
	}
	if err != nil {
		return s, fmt.Errorf("read the directories of this boot: %w", err)
	}
	if d.State != "" && d.Units != "" {
		s.StateDir, s.UnitsDirectory = d.State, d.Units
	}
	return s, nil
}

// settle is settled, and settles them if no fleetd has. Settings that have changed since are told of. Without the file
// fleetd goes by its settings, as it would without a change of them.
func (s Settings) settle(file string, log *slog.Logger) Settings {
	if file == "" {
		return s
	}
	is, err := s.settled(file)
	if err != nil {
		log.Warn("going by the settings", "err", err)
	}
	for _, setting := range []struct{ key, is, set string }{
		{"state_dir", is.StateDir, s.StateDir}, {"units_directory", is.unitsDirectory(), s.unitsDirectory()},
	} {
		if setting.is != setting.set {
			log.Warn("a setting has changed that takes effect when this host is booted again, going on with what it was", "setting", setting.key, "was", setting.is, "set", setting.set)
		}
	}
	raw, err := json.Marshal(directories{is.StateDir, is.unitsDirectory()})
	if err == nil {
		err = replaceFile(file, raw)
	}
	if err != nil {
		log.Warn("a change of state_dir or units_directory before the next boot will not be noticed", "err", err)
	}
	return is
}

// replaceFile writes a file so that a crash leaves either the former one or this.
func replaceFile(path string, raw []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}
