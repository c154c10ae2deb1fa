package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
)

// writeTable prints the rows for people. Of a bench and a case that the row above has
// too, nothing is repeated.
func writeTable(w io.Writer, rows []row) error {
	lines := [][]string{{"BENCH", "CASE", "METRIC", "MEDIAN", "UNIT", "REACH", "HOLDS"}}
	var above row
	for _, r := range rows {
		bench, of := r.Bench, r.Case
		if r.Bench == above.Bench {
			bench = ""
			if r.Case == above.Case {
				of = ""
			}
		}
		reach, holds := "-", "-"
		if r.Reach != nil {
			reach, holds = *r.Reach, "NO"
			if *r.Holds {
				holds = "yes"
			}
		}
		lines = append(lines, []string{bench, of, r.Metric, plain(r.Value), r.Unit, reach, holds})
		above = r
	}
	return writeLines(w, lines)
}

// writeLines aligns the cells in columns.
func writeLines(w io.Writer, lines [][]string) error {
	var text bytes.Buffer
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, cells := range lines {
		fmt.Fprintln(columns, strings.Join(cells, "\t"))
	}
	if err := columns.Flush(); err != nil {
		return fmt.Errorf("align the table: %w", err)
	}
	if _, err := w.Write(text.Bytes()); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	return nil
}

// plain writes a number without an exponent, with three digits that count.
func plain(v float64) string {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	after := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	text := strconv.FormatFloat(v, 'f', after, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// missed counts the rows whose reach is not reached.
func missed(rows []row) (missed, aimed int) {
	for _, r := range rows {
		if r.Holds == nil {
			continue
		}
		aimed++
		if !*r.Holds {
			missed++
		}
	}
	return missed, aimed
}
