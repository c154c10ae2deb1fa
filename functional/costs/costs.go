// Package costs holds what fleet does for a change against the table "What must not grow" of docs/benchmarks.md:
// numbers that do not depend on how fast a machine is. A test that has counted something calls Check; it fails
// if the number is another than that of the table, in either direction, so that
// who makes a change dearer, or cheaper, writes that down where people read it.
package costs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// row is what | number | where it is counted |, the last with `DIRECTORY TestName`.
var row = regexp.MustCompile("^\\| ([^|]+?) \\| ([0-9,.]+) \\| `([a-z/]+) (Test[A-Za-z0-9]+)` \\|$")

// Entry is one row of the table.
type Entry struct {
	What   string
	Number float64
	Dir    string // of the package that counts it, below the root
	Test   string
}

const heading = "## What must not grow"

// Table reads the table, and returns the root of the repository with it.
func Table() (root string, all []Entry, err error) {
	root, err = findRoot()
	if err != nil {
		return "", nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "docs/benchmarks.md"))
	if err != nil {
		return "", nil, err
	}
	_, section, found := strings.Cut(string(text), "\n"+heading+"\n")
	if !found {
		return "", nil, fmt.Errorf("docs/benchmarks.md has no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		m := row.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		number, err := strconv.ParseFloat(strings.ReplaceAll(m[2], ",", ""), 64)
		if err != nil {
			return "", nil, fmt.Errorf("%s: %w", line, err)
		}
		all = append(all, Entry{What: m[1], Number: number, Dir: m[3], Test: m[4]})
	}
	return root, all, nil
}

// findRoot is where go.mod is: tests run in the directories of their packages.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
		dir = up
	}
}

// Check compares what was counted with the table.
func Check(t testing.TB, what string, counted float64) { within(t, what, counted, 0) }

// About is Check for what differs a little from run to run: by that part of it at most.
func About(t testing.TB, what string, counted, part float64) { within(t, what, counted, part) }

func within(t testing.TB, what string, counted, part float64) {
	t.Helper()
	_, all, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.What != what {
			continue
		}
		switch {
		case counted > e.Number*(1+part):
			t.Errorf("%s: %v, and docs/benchmarks.md (What must not grow) has %v: find out why, or say so there", what, counted, e.Number)
		case counted < e.Number*(1-part):
			t.Errorf("%s: only %v, and docs/benchmarks.md (What must not grow) has %v: let it hold the better number", what, counted, e.Number)
		}
		return
	}
	t.Errorf("docs/benchmarks.md (What must not grow) has no %q, of which there are %v", what, counted)
}
