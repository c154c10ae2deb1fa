package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"pgregory.net/rapid"
)

// TestGridIsFleet1s: what programs read has the TABs that fleet 1's tab writer put there.
func TestGridIsFleet1s(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		columns := rapid.IntRange(1, 5).Draw(t, "columns")
		word := rapid.StringMatching(`[a-zé.]{1,20}`)
		var lines [][]cell
		var want bytes.Buffer
		w := tabwriter.NewWriter(&want, 0, 8, 1, '\t', 0)
		for range rapid.IntRange(0, 6).Draw(t, "rows") {
			texts := rapid.SliceOfN(word, columns, columns).Draw(t, "row")
			fmt.Fprintln(w, strings.Join(texts, "\t"))
			line := make([]cell, columns)
			for i, text := range texts {
				line[i].text = text
			}
			lines = append(lines, line)
		}
		w.Flush()
		var got bytes.Buffer
		a := &app{color: "never"}
		if err := a.writeGrid(&got, lines, true); err != nil {
			t.Fatal(err)
		}
		if got.String() != want.String() {
			t.Fatalf("got\n%q\nwant\n%q", got.String(), want.String())
		}
	})
}

func TestFitCutsTheWidest(t *testing.T) {
	for _, c := range []struct {
		widths   []int
		terminal int
		want     []int
	}{
		{[]int{10, 20, 30}, 80, []int{10, 20, 30}},
		{[]int{10, 20, 30}, 54, []int{10, 20, 20}},
		{[]int{10, 20, 30}, 50, []int{10, 18, 18}},
		{[]int{4, 9}, 5, []int{4, 8}}, // as far as it can be read
	} {
		got := slices.Clone(c.widths)
		if fit(got, c.terminal); !slices.Equal(got, c.want) {
			t.Errorf("%v in %d columns: %v, want %v", c.widths, c.terminal, got, c.want)
		}
	}
}
