package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// goBench are benchmarks of Go packages, each of whose runs is one measurement.
type goBench struct {
	packages string
	pattern  string   // as go test -bench takes it
	flags    []string // further ones of go test
}

// run returns the medians over count runs, in the order in which the benchmarks report them.
func (g goBench) run(ctx context.Context, o options) ([]row, error) {
	args := []string{"test", "-run", "^$", "-bench", g.pattern, "-benchtime", "1x", "-count", strconv.Itoa(o.count), "-timeout", "4h"}
	args = append(args, g.flags...)
	if o.short {
		args = append(args, "-short")
	}
	args = append(args, g.packages)
	fmt.Fprintf(o.progress, "go %s\n", strings.Join(args, " "))
	test := exec.CommandContext(ctx, "go", args...)
	test.Dir = o.source
	// go does not end the tests that it runs when it is ended itself.
	test.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	test.Cancel = func() error { return syscall.Kill(-test.Process.Pid, syscall.SIGKILL) }
	var out, problems bytes.Buffer
	test.Stdout = io.MultiWriter(&out, o.progress)
	test.Stderr = io.MultiWriter(&problems, o.progress)
	if err := test.Run(); err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, complaints(out.String()+problems.String()))
	}
	rows, err := parseGoBench(&out)
	if err != nil {
		return nil, fmt.Errorf("read what go %s printed: %w", strings.Join(args, " "), err)
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("no benchmark of %s matches %q", g.packages, g.pattern)
	}
	return rows, nil
}

// complaints are the lines that are no results.
func complaints(output string) string {
	var lines []string
	for line := range strings.Lines(output) {
		line = strings.TrimRight(line, "\n")
		if !strings.HasPrefix(line, "Benchmark") && line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-40):], "\n")
}

// processors is what go test adds to the name of a benchmark: GOMAXPROCS, unless that is 1.
var processors = regexp.MustCompile(`-\d+$`)

// parseGoBench reads the output of go test -bench. A figure that was reported several times is replaced by its median.
func parseGoBench(r io.Reader) ([]row, error) {
	var rows []row
	values := make(map[key][]float64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if len(words) < 4 || len(words)%2 != 0 || !strings.HasPrefix(words[0], "Benchmark") {
			continue // a benchmark that is announced, or something that is no result
		}
		if _, err := strconv.Atoi(words[1]); err != nil {
			continue
		}
		name, of, _ := strings.Cut(processors.ReplaceAllString(words[0], ""), "/")
		for i := 2; i < len(words); i += 2 {
			value, err := strconv.ParseFloat(words[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			r := row{Bench: strings.ToLower(strings.TrimPrefix(name, "Benchmark")), Case: of}
			r.Metric, r.Unit = splitUnit(words[i+1])
			if _, seen := values[r.key()]; !seen {
				rows = append(rows, r)
			}
			values[r.key()] = append(values[r.key()], value)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	for i := range rows {
		median, err := median(values[rows[i].key()])
		if err != nil {
			return nil, err
		}
		rows[i].Value = median
	}
	return rows, nil
}

// splitUnit takes apart what a Go benchmark calls the unit of a figure: "p99-µs" is p99
// in µs, "placements/s" are placements in 1/s, "B/unit" and "slowdown" are what they say.
func splitUnit(reported string) (metric, unit string) {
	if metric, unit, ok := cutLast(reported, "-"); ok {
		return metric, unit
	}
	switch metric, per, ok := strings.Cut(reported, "/"); {
	case !ok:
		return reported, ""
	case metric == "B":
		return "memory/" + per, "B"
	case metric == "ns":
		return "time/" + per, "ns"
	case per == "s":
		return metric + "/s", "1/s"
	}
	return reported, ""
}

func cutLast(s, separator string) (before, after string, ok bool) {
	i := strings.LastIndex(s, separator)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(separator):], true
}

func median(all []float64) (float64, error) {
	if len(all) == 0 {
		return 0, errors.New("the median of nothing")
	}
	sorted := slices.Sorted(slices.Values(all))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle], nil
	}
	return (sorted[middle-1] + sorted[middle]) / 2, nil
}
