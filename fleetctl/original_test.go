package main

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var needOriginal = flag.Bool("original", false, "fail instead of skipping if the modules of fleet 1 cannot be had")

// TestOriginal runs sessions with fleetctl of fleet 1.0, built from its own
// source, against our API. What it prints was written down from it and is what it printed against
// fleet 1, except where docs/api.md says that ours differs. Whatever it sends that ours does not
// understand, or gets that it does not, shows here.
//
// Ours is $OURS: what lists print by default has to be the same byte for byte.
//
// The module in testdata/original pins it and the libraries of its time.
func TestOriginal(t *testing.T) {
	if testing.Short() && !*needOriginal {
		t.Skip("building fleet 1 takes a while")
	}
	bin := buildOriginal(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/original/script",
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			d := startDaemon(env)
			env.Setenv("TCP_ENDPOINT", "http://"+forwardTCP(env, d.socket))
			ours, _, _ := strings.Cut(env.Getenv("PATH"), string(os.PathListSeparator))
			env.Setenv("OURS", filepath.Join(ours, "fleetctl"))
			// It writes to a map from several goroutines at once, which one thread without preemption gets away with.
			env.Setenv("GOMAXPROCS", "1")
			env.Setenv("GODEBUG", "asyncpreemptoff=1")
			env.Setenv("PATH", bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":   exits,
			"cluster": clusterCommand,
		},
	})
}

// buildOriginal returns a directory that has fleet 1's fleetctl.
func buildOriginal(t *testing.T) string {
	const program = "github.com/coreos/fleet/fleetctl"
	if output, err := inOriginal(t, "list", "-deps", program); err != nil {
		refuse := t.Skipf
		if *needOriginal {
			refuse = t.Fatalf
		}
		refuse("the modules of fleet 1 cannot be had: %v\n%s", err, output)
	}
	dir := t.TempDir()
	if output, err := inOriginal(t, "build", "-o", filepath.Join(dir, "fleetctl"), program); err != nil {
		t.Fatalf("build fleet 1's fleetctl: %v\n%s", err, output)
	}
	return dir
}

func inOriginal(t *testing.T, args ...string) (output []byte, err error) {
	command := exec.CommandContext(t.Context(), "go", args...)
	command.Dir = "testdata/original"
	command.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=readonly", "CGO_ENABLED=0")
	return command.CombinedOutput()
}
