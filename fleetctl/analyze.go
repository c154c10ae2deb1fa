package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"fleet/unit"
)

// checkedFile is a file that fleet accepts, and what else is found out about it.
type checkedFile struct {
	*candidate
	*verification
}

// analyze has systemd look at unit files. The error says why it could not.
func analyze(ctx context.Context, files []checkedFile) error {
	program, err := exec.LookPath("systemd-analyze")
	if err != nil {
		return errors.New("systemd-analyze is not installed here")
	}
	dir, err := os.MkdirTemp("", "fleetctl-verify-")
	if err != nil {
		return fmt.Errorf("make a directory for systemd-analyze: %w", err)
	}
	defer os.RemoveAll(dir)
	byName := make(map[unit.Name]checkedFile, len(files))
	args := []string{"verify", "--man=no"}
	for _, f := range files {
		path := filepath.Join(dir, string(f.candidate.name))
		if err := os.WriteFile(path, f.raw, 0o600); err != nil {
			return fmt.Errorf("write a file for systemd-analyze: %w", err)
		}
		byName[f.candidate.name] = f
		args = append(args, path)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0", "SYSTEMD_LOG_LEVEL=info", "SYSTEMD_LOG_TARGET=console")
	cmd.Stdout, cmd.Stderr = &said, &said
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("run systemd-analyze: %w", err)
	}
	understood := 0
	for line := range strings.Lines(said.String()) {
		about, f := findingOf(strings.TrimSpace(line), dir)
		file, ours := byName[about]
		if !ours && about.IsInstance() {
			file, ours = byName[about.Template()] // systemd looks at a template as at an instance of it
		}
		if ours {
			file.take(f)
			understood++
		}
	}
	if err != nil && understood == 0 {
		return fmt.Errorf("systemd-analyze failed (%w): %s", err, strings.TrimSpace(said.String()))
	}
	return nil
}

// finding is one thing that systemd-analyze says of a unit.
type finding struct {
	line     string // of the file; may be empty
	text     string
	fatal    bool // systemd would not run it anywhere
	thisHost bool // it is about what this host lacks
}

var (
	inFile  = regexp.MustCompile(`^(/\S+/)([^/:\s][^/\s]*?):(\d+): (.*)$`)
	ofUnit  = regexp.MustCompile(`^([^/\s]+?\.[a-z]+): (.*)$`)
	theUnit = regexp.MustCompile(`^Unit (\S+) (.*)$`)

	fatalWords  = regexp.MustCompile(`Refusing|Neither a valid executable name nor an absolute path:|has fatal error|bad unit file setting`)
	fatalEchoes = regexp.MustCompile(`has fatal error|bad unit file setting`) // of an error that was told already
	hostWords   = regexp.MustCompile(`is not executable|not found|No such (file|process)|Failed to create \S+/start`)
)

// findingOf reads a line of systemd-analyze about the files in dir. The name is empty if it is not about one unit.
func findingOf(line, dir string) (unit.Name, finding) {
	var name string
	var f finding
	if parts := inFile.FindStringSubmatch(line); parts != nil {
		if filepath.Clean(parts[1]) != filepath.Clean(dir) {
			return "", f
		}
		name, f.line, f.text = parts[2], parts[3], parts[4]
	} else if parts := ofUnit.FindStringSubmatch(line); parts != nil {
		name, f.text = parts[1], parts[2]
	} else if parts := theUnit.FindStringSubmatch(line); parts != nil {
		name, f.text = parts[1], parts[2]
	}
	f.fatal = fatalWords.MatchString(f.text)
	f.thisHost = !f.fatal && hostWords.MatchString(f.text)
	return unit.Name(name), f
}

// take makes a finding an error or a warning.
func (c checkedFile) take(f finding) {
	where := c.origin
	if f.line != "" {
		where += ":" + f.line
	}
	switch {
	case len(c.Errors) > 0 && fatalEchoes.MatchString(f.text):
	case f.fatal:
		c.Errors = append(c.Errors, fmt.Sprintf("%s: systemd: %s", where, f.text))
	case f.thisHost:
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s: on this host: %s", where, f.text))
	default:
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s: systemd: %s", where, f.text))
	}
}
