package testbed

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// aptLine is one source of Debian packages.
type aptLine struct {
	uri, suite string
}

func (l aptLine) String() string { return fmt.Sprintf("deb %s %s main", l.uri, l.suite) }

// debianSuite returns the release of this machine, so that what apt has cached
// nearby is used; on another distribution it is Debian 12.
func debianSuite() string {
	release := map[string]string{}
	data, _ := os.ReadFile("/etc/os-release") // absent: not Debian
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		release[key] = strings.Trim(value, `"`)
	}
	if release["ID"] == "debian" && release["VERSION_CODENAME"] != "" {
		return release["VERSION_CODENAME"]
	}
	return "bookworm"
}

// aptSources returns where this machine gets the suite from, with its updates; a
// machine that has a mirror of its own keeps using it.
func aptSources(suite string) ([]string, error) {
	files, err := filepath.Glob("/etc/apt/sources.list.d/*")
	if err != nil {
		return nil, fmt.Errorf("find apt sources: %w", err)
	}
	var found []aptLine
	for _, file := range append([]string{"/etc/apt/sources.list"}, files...) {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read apt sources: %w", err)
		}
		switch filepath.Ext(file) {
		case ".list":
			found = append(found, parseList(string(data))...)
		case ".sources":
			found = append(found, parseStanzas(string(data))...)
		}
	}
	wanted := []string{suite, suite + "-updates", suite + "-security"}
	found = slices.DeleteFunc(found, func(l aptLine) bool { return !slices.Contains(wanted, l.suite) })
	if !slices.ContainsFunc(found, func(l aptLine) bool { return l.suite == suite }) {
		found = append(found, aptLine{uri: "http://deb.debian.org/debian", suite: suite})
	}
	var lines []string
	for _, l := range found {
		if line := l.String(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	return lines, nil
}

// parseList reads the one-line format of sources.list(5) and keeps what has the
// component main.
func parseList(text string) []aptLine {
	var lines []aptLine
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "deb" {
			continue
		}
		fields = fields[1:]
		if len(fields) > 0 && strings.HasPrefix(fields[0], "[") {
			end := slices.IndexFunc(fields, func(f string) bool { return strings.HasSuffix(f, "]") })
			fields = fields[end+1:]
		}
		if len(fields) >= 3 && slices.Contains(fields[2:], "main") {
			lines = append(lines, aptLine{uri: fields[0], suite: fields[1]})
		}
	}
	return lines
}

// parseStanzas reads the deb822 format of sources.list(5) and keeps what has the
// component main.
func parseStanzas(text string) []aptLine {
	var lines []aptLine
	for stanza := range strings.SplitSeq(text, "\n\n") {
		fields := map[string][]string{}
		for line := range strings.Lines(stanza) {
			key, value, ok := strings.Cut(line, ":")
			if ok && !strings.HasPrefix(line, "#") {
				fields[strings.ToLower(key)] = strings.Fields(value)
			}
		}
		disabled := slices.Equal(fields["enabled"], []string{"no"})
		if disabled || !slices.Contains(fields["types"], "deb") || !slices.Contains(fields["components"], "main") {
			continue
		}
		for _, uri := range fields["uris"] {
			for _, suite := range fields["suites"] {
				lines = append(lines, aptLine{uri: uri, suite: suite})
			}
		}
	}
	return lines
}
