package functional

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// proofs are the files whose tests are all about faults.
var proofs = []string{"failure_*_test.go", "cut_test.go", "loss_test.go", "etcd_test.go", "trouble_test.go", "fence_test.go", "leaving_test.go", "restore_test.go", "store_test.go", "drain_test.go"}

// Each row of docs/failures.md names the test that proves it, and each test of a fault is named there.
func TestEveryRowOfTheFailuresNamesATestAndEveryFaultIsThere(t *testing.T) {
	text, err := os.ReadFile("../docs/failures.md")
	if err != nil {
		t.Fatal(err)
	}
	all := testsIn(t, "*_test.go")
	var faults []string
	for _, pattern := range proofs {
		faults = append(faults, testsIn(t, pattern)...)
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1)
	var mentioned []string
	for _, m := range named {
		mentioned = append(mentioned, m[1])
		if !slices.Contains(all, m[1]) {
			t.Errorf("docs/failures.md names %s, and there is no such test", m[1])
		}
	}
	for _, name := range faults {
		if !slices.Contains(mentioned, name) {
			t.Errorf("%s is a test of a fault, and docs/failures.md does not name it", name)
		}
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| fault") || strings.HasPrefix(line, "| figure") || strings.HasPrefix(line, "| term") {
			continue
		}
		if strings.Count(line, "|") < 9 {
			continue // of another table
		}
		rows++
		if !strings.Contains(line, "`Test") {
			t.Errorf("this row names no test: %s", line)
		}
	}
	if rows < 20 {
		t.Errorf("only %d rows were found: the table is not read as it is written", rows)
	}
}

// testsIn are the names of all tests in files of that pattern, whatever their build tags.
func testsIn(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no file is a %s: %v", pattern, err)
	}
	var names []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") && f.Name.Name != "TestMain" {
				names = append(names, f.Name.Name)
			}
		}
	}
	return names
}
