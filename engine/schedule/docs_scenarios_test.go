package schedule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocsQuoteScenarios holds docs/unit-files.md to the scenarios: what it quotes is there as it is quoted, ends
// with what the engine says, and every option in its tables is in such a quotation.
func TestDocsQuoteScenarios(t *testing.T) {
	data, err := os.ReadFile("../../docs/unit-files.md")
	if err != nil {
		t.Fatal(err)
	}
	manual := string(data)
	said := make(map[string]bool) // the options that are quoted
	for _, q := range quotations(manual) {
		if why := q.check(t); why != "" {
			t.Errorf("docs/unit-files.md:%d: testdata/%s: %s", q.line, q.scenario, why)
		}
		for _, line := range q.lines {
			if key, _, ok := strings.Cut(line, "="); ok {
				said[key] = true
			}
		}
	}
	options := regexp.MustCompile("(?m)^\\| `(\\w+)=` \\|").FindAllStringSubmatch(manual, -1)
	if len(options) < 20 {
		t.Errorf("only %d options found in docs/unit-files.md", len(options))
	}
	for _, option := range options {
		if !said[option[1]] {
			t.Errorf("docs/unit-files.md has no example of %s= from a scenario", option[1])
		}
	}
}

// TestDocsQuoteReasons: the reasons of which docs/unit-files.md says what to do are given in some scenario.
func TestDocsQuoteReasons(t *testing.T) {
	manual, err := os.ReadFile("../../docs/unit-files.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(manual), "| the reason says |")
	table, _, _ = strings.Cut(table, "\n\n")
	scenarios := allScenarios(t)
	rows := strings.Split(table, "\n")
	if len(rows) < 10 {
		t.Fatalf("docs/unit-files.md has only %d lines about reasons", len(rows))
	}
	for _, row := range rows[2:] {
		reasons, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " |")
		for reason := range strings.SplitSeq(reasons, ", `") {
			if reason = strings.Trim(reason, "`"); !strings.Contains(scenarios, reason) {
				t.Errorf("docs/unit-files.md: the engine gives the reason %q in no scenario", reason)
			}
		}
	}
}

func allScenarios(t *testing.T) string {
	names, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, name := range names {
		if strings.HasSuffix(name, "rapid") {
			continue // a directory
		}
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(data)
	}
	return all.String()
}

// quotation is a block of the manual that begins with "# testdata/NAME". What is left out of the scenario is
// marked by a line "…", but for empty lines and those that frame has.
type quotation struct {
	scenario string
	lines    []string
	line     int // of the manual
}

func quotations(manual string) []quotation {
	var found []quotation
	in := false
	for i, line := range strings.Split(manual, "\n") {
		name, begins := strings.CutPrefix(line, "# testdata/")
		switch {
		case begins:
			found = append(found, quotation{scenario: name, line: i + 1})
			in = true
		case strings.HasPrefix(line, "```"):
			in = false
		case in:
			q := &found[len(found)-1]
			q.lines = append(q.lines, line)
		}
	}
	return found
}

// frame tells whether a line of a scenario is there for the script's sake.
func frame(line string) bool {
	return line == "" || line == "----" || line == "decide" || line == "settle" || line == "show" || strings.HasPrefix(line, "#")
}

// check looks for the quotation in its scenario, and says what is wrong with it.
func (q quotation) check(t *testing.T) string {
	data, err := os.ReadFile(filepath.Join("testdata", q.scenario))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	answers := make(map[int]bool) // which of the lines the engine said
	answering := false
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		answering = line == "----" || answering && line != ""
		if frame(line) {
			continue
		}
		answers[len(lines)] = answering
		lines = append(lines, line)
	}
	at := 0
	for part := range strings.SplitSeq(strings.Join(slices.DeleteFunc(slices.Clone(q.lines), frame), "\n"), "\n…\n") {
		wanted := strings.Split(part, "\n")
		for !slices.Equal(wanted, lines[at:min(at+len(wanted), len(lines))]) {
			if at++; at+len(wanted) > len(lines) {
				return "these lines do not follow each other there:\n" + part
			}
		}
		at += len(wanted)
	}
	if !answers[at-1] {
		return "the quotation does not end with what the engine says"
	}
	return ""
}
