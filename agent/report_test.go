package agent

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// largestUnit is a report of one unit in which everything is as long as it can be.
func largestUnit(i int) (unit.Name, cluster.UnitReport) {
	u := cluster.UnitReport{
		State: unit.State{
			Load: "loaded", Active: "failed", Sub: "failed", Result: "exit-code", ExitStatus: 255,
			InvocationID: strings.Repeat("f", 32), Since: time.Now(), Restarts: 1 << 30,
		},
		Content: unit.IDOf(nil), Generation: 1 << 60, Tried: 1 << 60, Job: "dependency",
	}
	for range logLines {
		u.Log = append(u.Log, strings.Repeat("x", maxLine))
	}
	return unit.Name(fmt.Sprintf("some-rather-long-name-of-a-service@%d.service", i)), u
}

func TestAReportOfAThousandFailedUnitsStaysWithinBounds(t *testing.T) {
	for _, n := range []int{10, 100, 1000, 2000} {
		units := map[unit.Name]cluster.UnitReport{}
		for i := range n {
			name, u := largestUnit(i)
			units[name] = u
		}
		fit(units)
		raw, err := json.Marshal(units)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > maxReport*5/4 {
			t.Errorf("%d failed units: %d bytes", n, len(raw))
		}
		logs := 0
		for _, u := range units {
			if u.Log != nil {
				logs++
			}
		}
		if len(units) != n || n <= 100 && logs != n || n == 1000 && logs == 0 {
			t.Errorf("%d failed units: %d left, %d with logs", n, len(units), logs)
		}
	}
}

// More than the store takes would be refused again and again, and nobody would
// learn anything of the machine any more.
func TestAReportOfUnitsThatAllHaveErrorsStaysWithinBounds(t *testing.T) {
	for _, n := range []int{10, 1000, 2000} {
		units := map[unit.Name]cluster.UnitReport{}
		for i := range n {
			name, u := largestUnit(i)
			u.Error = strings.Repeat("e", maxError)
			units[name] = u
		}
		fit(units)
		raw, err := json.Marshal(units)
		if err != nil {
			t.Fatal(err)
		}
		if len(raw) > 3<<19 {
			t.Errorf("%d units: %d bytes", n, len(raw))
		}
		for name, u := range units {
			if len(u.Error) < minError || n == 10 && len(u.Error) < maxError {
				t.Fatalf("%d units: what is left of the error of %s is %q", n, name, u.Error)
			}
		}
	}
}

func TestTextsAreCutBetweenCharacters(t *testing.T) {
	for text, want := range map[string]string{
		"short": "short", "exactly8": "exactly8", "longer than 8": "longer t…", "abcdefgé": "abcdefg…",
	} {
		if got := shorten(text, 8); got != want {
			t.Errorf("shorten(%q) = %q, want %q", text, got, want)
		}
	}
}
