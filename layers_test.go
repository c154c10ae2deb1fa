// Package fleet_test holds the rules that concern every package.
package fleet_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "fleet/"

// mayImport says which packages of ours a package may know, tests excepted. A
// package that is not listed is an error: a new one needs a place in the order.
var mayImport = map[string][]string{
	"unit":                  {},
	"cluster":               {"unit"},
	"journal":               {},
	"registry":              {"cluster", "unit"},
	"registry/etcd":         {"registry", "cluster"},
	"registry/memory":       {"registry", "cluster"},
	"registry/embedded":     {},
	"registry/storetest":    {"registry", "cluster"},
	"engine":                {"engine/schedule", "cluster", "unit"},
	"engine/schedule":       {"engine/schedule/index", "cluster", "unit"},
	"engine/schedule/index": {},
	"agent":                 {"agent/reconcile", "cluster", "unit"},
	"agent/reconcile":       {"cluster", "unit"},
	"systemd":               {"journal", "unit"},
	"systemd/systemdtest":   {"systemd", "unit"},
	"api":                   {"cluster", "journal", "unit"},
	"fleetctl":              {"api", "cluster", "journal", "unit"},
	"fleetd/presence":       {"agent", "engine", "engine/schedule", "registry", "cluster", "unit"},
	"fleetd/capacity":       {"cluster", "unit"},
	"fleetd/fence":          {"cluster", "unit"},
	"fleetd/leaving":        {"cluster", "unit"},
	"fleetd/metrics":        {"agent", "agent/reconcile", "api", "engine", "engine/schedule", "registry", "systemd", "cluster", "unit"},
	"fleetd":                {"fleetd/capacity", "fleetd/fence", "fleetd/leaving", "fleetd/metrics", "fleetd/presence", "api", "agent", "engine", "engine/schedule", "registry", "registry/etcd", "registry/embedded", "systemd", "cluster", "journal", "unit"},
	"functional/testbed":    {"api", "cluster", "unit"},
	"functional/model":      {},
	"functional/chaos":      {"functional/customer", "functional/record", "functional/testbed", "api", "cluster", "unit"},
	"functional/costs":      {},
	"functional/customer":   {"api", "cluster", "unit"},
	"functional/record":     {"unit"},
	"functional/simulation": {},
	"functional/bench":      {"functional/hollow", "functional/record", "functional/testbed", "api", "cluster", "unit"},
	"functional/hollow":     {"fleetd/presence", "systemd/systemdtest", "api", "agent", "engine", "engine/schedule", "registry", "registry/etcd", "cluster", "unit"},
	"functional/cluster":    {"functional/testbed", "api", "cluster", "unit"},
}

// brains do no I/O, read no clock, do not log and draw no lots.
var brains = []string{"engine/schedule", "engine/schedule/index", "agent/reconcile"}

var forbiddenToBrains = []string{
	"bufio", "context", "crypto/rand", "io", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2",
	"net", "net/http", "os", "os/exec", "sync", "sync/atomic", "syscall",
}

// clockReads are the functions of package time that depend on when they are called.
var clockReads = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

func TestPackagesKnowOnlyWhomTheyMay(t *testing.T) {
	for dir, imports := range sources(t) {
		allowed, listed := mayImport[dir]
		if !listed {
			t.Errorf("package %s has no place in the order of layers: give it one in layers_test.go", dir)
			continue
		}
		for _, path := range imports {
			ours, ok := strings.CutPrefix(path, module)
			if ok && !slices.Contains(allowed, ours) {
				t.Errorf("package %s must not import %s", dir, ours)
			}
		}
	}
}

func TestBrainsTouchNothing(t *testing.T) {
	all := sources(t)
	for _, dir := range brains {
		imports, ok := all[dir]
		if !ok {
			t.Errorf("brain %s is gone", dir)
		}
		for _, path := range imports {
			if slices.Contains(forbiddenToBrains, path) {
				t.Errorf("brain %s must not import %s", dir, path)
			}
		}
		for _, file := range goFiles(t, dir) {
			checkNoClock(t, file)
		}
	}
}

// Only package systemd talks to systemd, only registry's packages to etcd, and only one counts for Prometheus.
func TestLibrariesOfTheOutsideAreFenced(t *testing.T) {
	fences := map[string][]string{
		"github.com/coreos/go-systemd/v22/dbus": {"systemd"},
		"github.com/godbus/dbus/v5":             {"systemd", "functional/record"},
		"go.etcd.io/etcd/client/v3":             {"registry/etcd"},
		"go.etcd.io/etcd/server/v3/embed":       {"registry/embedded"},

		"github.com/prometheus/client_golang/prometheus":          {"fleetd/metrics"},
		"github.com/prometheus/client_golang/prometheus/promhttp": {"fleetd/metrics"},
	}
	for dir, imports := range sources(t) {
		for _, path := range imports {
			if inside, fenced := fences[path]; fenced && !slices.Contains(inside, dir) {
				t.Errorf("package %s must not import %s: that is for %v", dir, path, inside)
			}
		}
	}
}

// sources maps each package's folder to what its files import, tests excepted.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	imports := make(map[string][]string)
	for _, file := range goFiles(t, ".") {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if _, seen := imports[dir]; !seen {
			imports[dir] = nil
		}
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imports[dir] = append(imports[dir], path)
		}
	}
	if len(imports) < 10 {
		t.Fatalf("found only %d packages: the walk does not see the tree", len(imports))
	}
	return imports
}

func goFiles(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := entry.Name()
		if entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "testdata") {
			return filepath.SkipDir
		}
		if !entry.IsDir() && strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			files = append(files, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
