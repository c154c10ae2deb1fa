package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// compare prints two results of --json side by side.
func compare(w io.Writer, older, newer string) error {
	before, err := readRows(older)
	if err != nil {
		return err
	}
	after, err := readRows(newer)
	if err != nil {
		return err
	}
	was := make(map[key]row)
	for _, r := range before {
		was[r.key()] = r
	}
	lines := [][]string{{"BENCH", "CASE", "METRIC", "BEFORE", "AFTER", "UNIT", "AFTER/BEFORE"}}
	for _, r := range after {
		old, ok := was[r.key()]
		if !ok {
			lines = append(lines, []string{r.Bench, r.Case, r.Metric, "-", plain(r.Value), r.Unit, "-"})
			continue
		}
		delete(was, r.key())
		ratio := "-"
		if old.Value != 0 {
			ratio = plain(r.Value / old.Value)
		}
		lines = append(lines, []string{r.Bench, r.Case, r.Metric, plain(old.Value), plain(r.Value), r.Unit, ratio})
	}
	for _, r := range before {
		if _, gone := was[r.key()]; gone {
			lines = append(lines, []string{r.Bench, r.Case, r.Metric, plain(r.Value), "-", r.Unit, "-"})
		}
	}
	return writeLines(w, lines)
}

func readRows(path string) ([]row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	var rows []row
	if err := json.Unmarshal(text, &rows); err != nil {
		return nil, fmt.Errorf("read results: %s is not what --json prints: %w", path, err)
	}
	return rows, nil
}
