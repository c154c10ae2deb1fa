package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"gopkg.in/ini.v1"

	"fleet/unit"
)

const defaultConfigFile = "/etc/fleet/fleet.conf"

// invocation is what the command line asks for besides settings.
type invocation struct {
	settings Settings
	version  bool
	check    bool // only say what is wrong with the settings
	help     bool
	warnings []string // of settings that were accepted
}

// parse reads the settings from the configuration file, the environment and
// the command line; a later source wins.
func parse(args, environ []string, root bool) (invocation, error) {
	flags := pflag.NewFlagSet("fleetd", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	file := flags.String("config", "", "configuration file (default "+defaultConfigFile+", if it exists)")
	version := flags.Bool("version", false, "print the version and exit")
	check := flags.Bool("check", false, "say what is wrong with the settings and exit")
	words := make(map[string]*string)
	for _, row := range table() {
		words[row.key] = flags.String(flagName(row.key), "", row.help)
		if row.word == "" {
			flags.Lookup(flagName(row.key)).NoOptDefVal = "true"
		}
	}
	if err := flags.Parse(args); errors.Is(err, pflag.ErrHelp) {
		return invocation{help: true}, nil
	} else if err != nil {
		return invocation{}, fmt.Errorf("%w; fleetd --help lists all flags", err)
	}
	if extra := flags.Args(); len(extra) == 1 && extra[0] == "version" {
		*version = true
	} else if len(extra) > 0 {
		return invocation{}, fmt.Errorf("unexpected argument %q: fleetd takes flags only; fleetctl is the command for units", extra[0])
	}

	env := make(map[string]string)
	for _, pair := range environ {
		key, value, _ := strings.Cut(pair, "=")
		env[key] = value
	}
	inv := invocation{settings: Defaults(root, func(key string) string { return env[key] }), version: *version, check: *check}
	inv.settings.given = make(map[string]given)
	if inv.version {
		return inv, nil
	}

	var errs []error
	errs = append(errs, inv.readFile(*file), inv.readEnvironment(env))
	for _, row := range table() {
		if !flags.Changed(flagName(row.key)) {
			continue
		}
		flag, value := "--"+flagName(row.key), *words[row.key]
		if err := row.set(&inv.settings, value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", flag, err))
		}
		inv.settings.given[row.key] = given{text: value, from: flag}
	}
	if err := errors.Join(errs...); err != nil {
		return inv, err
	}
	return inv, inv.settings.Validate()
}

func flagName(key string) string { return strings.ReplaceAll(key, "_", "-") }

func (inv *invocation) readFile(path string) error {
	optional := path == ""
	if optional {
		path = defaultConfigFile
	}
	raw, err := os.ReadFile(path)
	if optional && errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	parsed, err := ini.LoadSources(ini.LoadOptions{
		InsensitiveKeys:     true,
		KeyValueDelimiters:  "=",
		AllowShadows:        false,
		IgnoreInlineComment: false,
	}, raw)
	if err != nil {
		return fmt.Errorf("read the configuration %s: %w", path, err)
	}
	var errs []error
	for _, section := range parsed.Sections() {
		if section.Name() != ini.DefaultSection {
			errs = append(errs, fmt.Errorf("%s: section [%s]: fleetd's settings do not go into sections", path, section.Name()))
			continue
		}
		for _, key := range section.Keys() {
			from := place(path, raw, key.Name())
			if err := inv.set(key.Name(), given{text: key.Value(), from: from}); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", from, err))
			}
		}
	}
	return errors.Join(errs...)
}

func (inv *invocation) readEnvironment(env map[string]string) error {
	var errs []error
	for name, value := range env {
		key, ours := strings.CutPrefix(name, "FLEET_")
		if !ours {
			continue
		}
		from := "environment " + name
		if err := inv.set(strings.ToLower(key), given{text: value, from: from}); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from, err))
		}
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

func (inv *invocation) set(key string, value given) error {
	rows := table()
	at := slices.IndexFunc(rows, func(row setting) bool { return row.key == key })
	if at >= 0 {
		if err := rows[at].set(&inv.settings, value.text); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		inv.settings.given[key] = value
		return nil
	}
	if why, ok := obsolete[key]; ok {
		inv.warnings = append(inv.warnings, fmt.Sprintf("setting %s has no effect: %s", key, why))
		return nil
	}
	var known []string
	for _, row := range rows {
		known = append(known, row.key)
	}
	if meant, ok := unit.Nearest(key, known); ok {
		return fmt.Errorf("unknown setting %q; did you mean %q?", key, meant)
	}
	return fmt.Errorf("unknown setting %q; fleetd --help lists all settings", key)
}

// place is file and line of a key, for messages.
func place(path string, raw []byte, key string) string {
	n := 0
	for line := range strings.Lines(string(raw)) {
		n++
		name, _, ok := strings.Cut(line, "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), key) {
			return fmt.Sprintf("%s:%d", path, n)
		}
	}
	return path
}

// help is what `fleetd --help` prints.
func help() string {
	var b strings.Builder
	b.WriteString(`fleetd is the daemon that every machine of a fleet cluster runs.

Usage: fleetd [--config FILE] [--check | --version] [SETTING…]

Settings are read from the configuration file (key = value, by default
` + defaultConfigFile + `), from the environment (FLEET_KEY) and from the command line (--key);
the last one wins. --check only says what is wrong with them.

`)
	for _, row := range table() {
		flag := "--" + flagName(row.key)
		if row.word != "" {
			flag += "=" + row.word
		}
		fmt.Fprintf(&b, "  %s\n        %s\n", flag, row.help)
	}
	return b.String()
}
