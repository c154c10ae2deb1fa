package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const printedByGo = `goos: linux
cpu: Some CPU
BenchmarkPlace/10000x10/one-by-one-2         	       1	         0.5 allocs/placement	        90.5 p99-µs	    600000 placements/s
BenchmarkPlace/10000x10/one-by-one-2         	       1	         0 allocs/placement	        120 p99-µs	    400000 placements/s
    bench_test.go:1: 3 lines of log
BenchmarkPlace/10000x10/one-by-one-2         	       1	         0 allocs/placement	        70 p99-µs	    450000 placements/s
BenchmarkLeader/10000x100                    	       1	         6.5 start-s
BenchmarkMemory/1000x10-2                    	       1	         1500 B/machine
BenchmarkQuality/tail/ours-2                 	       1	         0.94 refused_at_load
BenchmarkQuality/tail/nomad-all-2            	       1	         0.93 refused_at_load
BenchmarkQuality/tail/kubernetes-2           	       1	         0.77 refused_at_load
PASS
`

func TestResultsOfGoBecomeRows(t *testing.T) {
	rows, err := aimed(parseGoBench(strings.NewReader(printedByGo)))
	if err != nil {
		t.Fatal(err)
	}

	yes, no := true, false
	reach := func(s string) *string { return &s }
	want := []row{
		{"place", "10000x10/one-by-one", "allocs/placement", 0, "", reach("<= 0"), &yes},
		{"place", "10000x10/one-by-one", "p99", 90.5, "µs", reach("< 100"), &yes},
		{"place", "10000x10/one-by-one", "placements/s", 450_000, "1/s", reach(">= 500000"), &no},
		{"leader", "10000x100", "start", 6.5, "s", reach("< 5"), &no},
		{"memory", "1000x10", "memory/machine", 1500, "B", nil, nil},
		{"quality", "tail/ours", "refused_at_load", 0.94, "", reach(">= 0.93"), &yes},
		{"quality", "tail/nomad-all", "refused_at_load", 0.93, "", nil, nil},
		{"quality", "tail/kubernetes", "refused_at_load", 0.77, "", nil, nil},
		{"quality", "mean/ours", "refused_at_load", 0.94, "", reach(">= 0.93"), &yes},
		{"quality", "mean/nomad-all", "refused_at_load", 0.93, "", nil, nil},
		{"quality", "mean/kubernetes", "refused_at_load", 0.77, "", nil, nil},
	}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func TestTheTableSaysWhatIsMissed(t *testing.T) {
	rows := []row{
		{Bench: "place", Case: "a", Metric: "placements/s", Value: 123_456.7, Unit: "1/s"},
		{Bench: "place", Case: "a", Metric: "p99", Value: 12.345, Unit: "µs"},
		{Bench: "leader", Case: "b", Metric: "start", Value: 0.5, Unit: "s"},
	}
	rows[1].aim(below, 100)
	rows[2].aim(below, 0.25)
	var out bytes.Buffer
	if err := writeTable(&out, rows); err != nil {
		t.Fatal(err)
	}
	const want = `BENCH   CASE  METRIC        MEDIAN  UNIT  REACH   HOLDS
place   a     placements/s  123457  1/s   -       -
              p99           12.3    µs    < 100   yes
leader  b     start         0.5     s     < 0.25  NO
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if failed, aimed := missed(rows); failed != 1 || aimed != 2 {
		t.Errorf("%d of %d missed", failed, aimed)
	}
}

func TestResultsCanBeComparedAfterwards(t *testing.T) {
	before := []row{{Bench: "place", Case: "a", Metric: "p99", Value: 20, Unit: "µs"}, {Bench: "place", Case: "old", Metric: "p99", Value: 3, Unit: "µs"}}
	after := []row{{Bench: "place", Case: "a", Metric: "p99", Value: 10, Unit: "µs"}, {Bench: "place", Case: "new", Metric: "p99", Value: 4, Unit: "µs"}}
	dir := t.TempDir()
	var files []string
	for i, rows := range [][]row{before, after} {
		var text bytes.Buffer
		if err := writeJSON(&text, rows); err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(dir, []string{"before", "after"}[i]))
		if err := os.WriteFile(files[i], text.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, complaint bytes.Buffer
	if code := run(t.Context(), append([]string{"compare"}, files...), &out, &complaint); code != 0 {
		t.Fatalf("exit code %d: %s", code, &complaint)
	}
	const want = `BENCH  CASE  METRIC  BEFORE  AFTER  UNIT  AFTER/BEFORE
place  a     p99     20      10     µs    0.5
place  new   p99     -       4      µs    -
place  old   p99     3       -      µs    -
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("comparison (-want +got):\n%s", diff)
	}
}

func TestJSONNamesEveryField(t *testing.T) {
	var out bytes.Buffer
	if err := writeJSON(&out, []row{{Bench: "b", Case: "c", Metric: "m", Value: 1, Unit: "s"}}); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []map[string]any{{"bench": "b", "case": "c", "metric": "m", "value": 1.0, "unit": "s", "reach": nil, "holds": nil}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestTheHandbookHasAPlaceForEveryBench(t *testing.T) {
	text, err := os.ReadFile("../../" + handbook)
	if err != nil {
		t.Fatal(err)
	}
	rows := []row{{Bench: "b", Case: "c", Metric: "m", Value: 2, Unit: "s"}, {Bench: "b", Case: "c", Metric: "n", Value: 3}}
	rows[0].aim(below, 1)
	for _, b := range benches() {
		changed, err := withTable(text, b.name, markdown(rows))
		if err != nil {
			t.Fatal(err)
		}
		again, err := withTable(changed, b.name, markdown(rows))
		if err != nil || !bytes.Equal(changed, again) {
			t.Errorf("another table of %s changes what is around it: %v", b.name, err)
		}
		const want = "| c | m | 2 s | `< 1` | **NO** |\n|  | n | 3 |  |  |\n"
		if !bytes.Contains(changed, []byte(beginOf(b.name)+"\n")) || !bytes.Contains(changed, []byte(want)) {
			t.Errorf("the handbook lacks the table of %s", b.name)
		}
	}
}

func TestQuantiles(t *testing.T) {
	var all []float64
	for i := range 100 {
		all = append(all, float64(100-i))
	}
	for share, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got, err := quantile(all, share); err != nil || got != want {
			t.Errorf("%v: %v, not %v; %v", share, got, want, err)
		}
	}
}

func TestCommandLinesThatMakeNoSense(t *testing.T) {
	for line, want := range map[string]string{
		"":                        "say what to measure",
		"shedule":                 `there is no "shedule"`,
		"schedule now":            `schedule takes no arguments, only options: ["now"]`,
		"schedule --count 0":      "--count is 0: at least one run is needed",
		"schedule --count x":      `schedule: invalid value "x" for flag -count`,
		"schedule --only (":       "--only: error parsing regexp",
		"all now":                 `all takes no arguments, only options: ["now"]`,
		"all --only (":            "--only: error parsing regexp",
		"all --count -1":          "--count is -1: at least one run is needed",
		"compare a.json":          "compare takes two files",
		"compare --json a.json b": "compare: flag provided but not defined: -json",
	} {
		var out, complaint bytes.Buffer
		code := run(context.Background(), strings.Fields(line), &out, &complaint)
		if code != 2 || !strings.Contains(complaint.String(), want) || out.Len() > 0 {
			t.Errorf("bench %s: exit code %d, %q on standard output, and:\n%s", line, code, &out, &complaint)
		}
	}
}

func TestBenchmarksThatCannotRunAreAFailure(t *testing.T) {
	o := options{source: t.TempDir(), count: 1, progress: &bytes.Buffer{}}
	_, err := goBench{packages: "./nothing-here", pattern: "."}.run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "go test -run ^$ -bench .") {
		t.Errorf("error %v", err)
	}
}
