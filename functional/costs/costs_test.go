package costs_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fleet/functional/costs"
)

// Every row of the table is counted by the test that it names.
func TestEveryRowIsCounted(t *testing.T) {
	root, all, err := costs.Table()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 15 {
		t.Fatalf("only %d rows were found: the table is written in another way", len(all))
	}
	seen := make(map[string]bool)
	for _, e := range all {
		if seen[e.What] {
			t.Errorf("there are two rows of %q", e.What)
		}
		seen[e.What] = true
		if !counts(t, filepath.Join(root, e.Dir), e) {
			t.Errorf("no file of %s has %s and counts %q", e.Dir, e.Test, e.What)
		}
	}
}

func counts(t *testing.T, dir string, e costs.Entry) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "func "+e.Test+"(") && strings.Contains(string(text), fmt.Sprintf("%q", e.What)) {
			return true
		}
	}
	return false
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	said []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}

func TestAnotherNumberIsAnError(t *testing.T) {
	_, all, err := costs.Table()
	if err != nil {
		t.Fatal(err)
	}
	e := all[0]
	for _, c := range []struct {
		about         string
		what          string
		counted, part float64
		says          string
	}{
		{"the same", e.What, e.Number, 0, ""},
		{"more", e.What, e.Number + 1, 0, "find out why"},
		{"less", e.What, e.Number - 1, 0, "better number"},
		{"about as much", e.What, e.Number * 1.05, 0.1, ""},
		{"not even about", e.What, e.Number * 1.2, 0.1, "find out why"},
		{"what is not there", "nothing of the kind", 0, 0, "has no"},
	} {
		r := &recorder{TB: t}
		costs.About(r, c.what, c.counted, c.part)
		if got := strings.Join(r.said, "; "); (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q", c.about, got)
		}
	}
}
