package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func misuse(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	err := dispatch(ctx, args, stdout, stderr)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help())
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "bench: %v\nTry: scripts/bench --help\n", err)
		return 2
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "bench: interrupted")
		return 130
	default:
		fmt.Fprintf(stderr, "bench: %v\n", err)
		return 1
	}
}

func dispatch(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return misuse("say what to measure")
	}
	name, args := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	case partCommand:
		return part(ctx, args, stdout)
	case "compare":
		files, err := parse(flag.NewFlagSet(name, flag.ContinueOnError), args)
		if err != nil {
			return err
		}
		if len(files) != 2 {
			return misuse("compare takes two files that --json has printed")
		}
		return compare(stdout, files[0], files[1])
	}
	if name == "all" {
		return all(ctx, args, stdout, stderr)
	}
	for _, b := range benches() {
		if b.name == name {
			return measure(ctx, b, args, stdout, stderr)
		}
	}
	return misuse("there is no %q", name)
}

// measure runs one bench and prints what came of it.
func measure(ctx context.Context, b bench, args []string, stdout, stderr io.Writer) error {
	o := options{progress: stderr}
	var asJSON bool
	flags := flag.NewFlagSet(b.name, flag.ContinueOnError)
	flags.BoolVar(&asJSON, "json", false, "")
	flags.IntVar(&o.count, "count", b.runs, "")
	flags.BoolVar(&o.short, "short", false, "")
	flags.StringVar(&o.only, "only", "", "")
	flags.StringVar(&o.profile, "profile", "", "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return misuse("%s takes no arguments, only options: %q", b.name, rest)
	}
	if o.count < 1 {
		return misuse("--count is %d: at least one run is needed", o.count)
	}
	if _, err := regexp.Compile(o.only); err != nil {
		return misuse("--only: %v", err)
	}
	if o.source, err = sourceTree(); err != nil {
		return err
	}
	rows, err := b.run(ctx, o)
	if err != nil {
		return err
	}
	if asJSON {
		return writeJSON(stdout, rows)
	}
	fmt.Fprintf(stdout, "%s. Medians of %d. On: %s\n\n", b.name, o.count, machine())
	if err := writeTable(stdout, rows); err != nil {
		return err
	}
	if failed, aimed := missed(rows); aimed > 0 {
		fmt.Fprintf(stdout, "\n%d of %d reaches hold.\n", aimed-failed, aimed)
	}
	return nil
}

// sourceTree is the root of the repository: this is its bin/bench.
func sourceTree() (string, error) {
	binary, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	return filepath.Dir(filepath.Dir(binary)), nil
}

// parse takes options in any place.
func parse(flags *flag.FlagSet, args []string) ([]string, error) {
	flags.SetOutput(io.Discard)
	var rest []string
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, misuse("%s: %v", flags.Name(), err)
		}
		if flags.NArg() == 0 {
			return rest, nil
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
}

func help() string {
	var text strings.Builder
	text.WriteString("Measures fleet, and prints one table.\n\n" +
		"  scripts/bench BENCH [--count N] [--short] [--only PATTERN] [--json]\n" +
		"  scripts/bench all [--count N] [--short] [--only PATTERN] [--json]\n" +
		"  scripts/bench compare BEFORE.json AFTER.json\n\nBenches:\n\n")
	for _, b := range benches() {
		fmt.Fprintf(&text, "  %-10s %s\n", b.name, b.about)
	}
	text.WriteString(`
Options:

  --count N       medians of N runs (3; start: 100, failover: 20, idle, scale: 1)
  --short         only what is done within a minute or two a run
  --only PATTERN  only these benchmarks, as go test -bench takes it: --only 'Place/10000x10$/one';
                  of failover, only these failures: --only 'killed|cut'; of the others on real hosts, only
                  these cases: --only '^1000$'; of all, only these benches: --only 'start|bulk'
                  of scale, only these clusters: --only '^1000x'
  --profile DIR   of scale: puts profiles of CPU, heap and locks there
  --json          nothing on standard output but an array of
                  {bench, case, metric, value, unit, reach, holds}; compare reads it

all runs every bench, and puts the tables into docs/benchmarks.md, unless it is --short or prints --json.

A reach is what the project aims at; "NO" says that this machine, in this run, missed it, and is
no error. Progress goes to standard error. docs/benchmarks.md has figures and explains them.
`)
	return text.String()
}
