package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// handbook is where the tables of all benches are.
const handbook = "docs/benchmarks.md"

// all runs the benches one after the other. Their tables take the place of those in the handbook, each as soon as it is
// measured, unless they are wanted as JSON or are of a short run. What could not be measured does not keep the others from it.
func all(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o request
	var wanted string
	flags := flag.NewFlagSet("all", flag.ContinueOnError)
	flags.BoolVar(&o.json, "json", false, "")
	flags.IntVar(&o.count, "count", 0, "")
	flags.BoolVar(&o.short, "short", false, "")
	flags.StringVar(&wanted, "only", "", "")
	rest, err := parse(flags, args)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return misuse("all takes no arguments, only options: %q", rest)
	}
	if o.count < 0 {
		return misuse("--count is %d: at least one run is needed", o.count)
	}
	only, err := regexp.Compile(wanted)
	if err != nil {
		return misuse("--only: %v", err)
	}
	if o.source, err = sourceTree(); err != nil {
		return err
	}
	o.progress = stderr
	var rows []row
	var problems []error
	for _, b := range benches() {
		if !only.MatchString(b.name) || ctx.Err() != nil {
			continue
		}
		o.say("== %s", b.name)
		some, n, err := o.run(ctx, b)
		if err == nil && !o.json {
			err = o.print(stdout, b, n, some)
		}
		if err != nil {
			o.say("%s: %v", b.name, err)
			problems = append(problems, fmt.Errorf("%s: %w", b.name, err))
			continue
		}
		rows = append(rows, some...)
	}
	if o.json {
		problems = append(problems, writeJSON(stdout, rows))
	}
	return errors.Join(append(problems, ctx.Err())...)
}

// request is what was asked for of some benches.
type request struct {
	options
	json bool
}

// run runs a bench as often as was asked for, or as it is by default.
func (r request) run(ctx context.Context, b bench) ([]row, int, error) {
	o := r.options
	if o.count == 0 {
		o.count = b.runs
	}
	rows, err := b.run(ctx, o)
	return rows, o.count, err
}

// print shows a bench's table, and puts it into the handbook unless the run was a short one.
func (r request) print(w io.Writer, b bench, count int, rows []row) error {
	if err := writeTable(w, rows); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if r.short {
		return nil
	}
	path := filepath.Join(r.source, handbook)
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("put the table into the handbook: %w", err)
	}
	table := fmt.Sprintf("Measured on %s; medians of %d. %s.\n\n%s", time.Now().UTC().Format(time.DateOnly), count, machine(), markdown(rows))
	text, err = withTable(text, b.name, table)
	if err != nil {
		return fmt.Errorf("put the table into %s: %w", path, err)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("put the table into the handbook: %w", err)
	}
	return nil
}

func beginOf(bench string) string { return "<!-- scripts/bench all: " + bench + " -->" }

const endOfTable = "<!-- end -->"

// withTable is the handbook with another table of a bench; what is around its marks stays.
func withTable(text []byte, bench, table string) ([]byte, error) {
	begin, end := []byte(beginOf(bench)+"\n"), []byte(endOfTable)
	before, behind, ok := bytes.Cut(text, begin)
	if !ok {
		return nil, fmt.Errorf("it has no line %q", beginOf(bench))
	}
	_, after, ok := bytes.Cut(behind, end)
	if !ok {
		return nil, fmt.Errorf("no line %q follows on %q", endOfTable, beginOf(bench))
	}
	return bytes.Join([][]byte{before, begin, []byte("\n" + table + "\n"), end, after}, nil), nil
}

// markdown is the table for the handbook.
func markdown(rows []row) string {
	var text strings.Builder
	text.WriteString("| case | metric | median | reach | holds |\n|---|---|---|---|---|\n")
	last := ""
	for _, r := range rows {
		name := r.Case
		if r.Bench != rows[0].Bench {
			name = r.Bench + " " + name
		}
		shown := name
		if name == last {
			shown = ""
		}
		last = name
		reach, holds := "", ""
		if r.Reach != nil {
			reach, holds = "`"+*r.Reach+"`", "**NO**"
			if *r.Holds {
				holds = "yes"
			}
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %s | %s |\n", shown, r.Metric, strings.TrimSpace(plain(r.Value)+" "+r.Unit), reach, holds)
	}
	return text.String()
}
