package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// row is one figure. Its JSON form is what --json prints and compare reads.
type row struct {
	Bench  string  `json:"bench"`  // which benchmark
	Case   string  `json:"case"`   // of what, under which circumstances
	Metric string  `json:"metric"` // what was measured
	Value  float64 `json:"value"`  // median of the runs
	Unit   string  `json:"unit"`
	Reach  *string `json:"reach"` // what is aimed at: a comparison and a number, ">= 500000"; null: nothing
	Holds  *bool   `json:"holds"` // whether it is reached; null if nothing is aimed at
}

// key tells rows apart.
type key struct{ bench, of, metric string }

func (r row) key() key { return key{r.Bench, r.Case, r.Metric} }

// comparison is how a value has to compare with its reach.
type comparison string

const (
	atLeast comparison = ">="
	atMost  comparison = "<="
	below   comparison = "<"
)

// aim says what the row is to reach.
func (r *row) aim(c comparison, at float64) {
	reach := string(c) + " " + strconv.FormatFloat(at, 'f', -1, 64)
	holds := r.Value >= at
	switch c {
	case atMost:
		holds = r.Value <= at
	case below:
		holds = r.Value < at
	}
	r.Reach, r.Holds = &reach, &holds
}

func writeJSON(w io.Writer, rows []row) error {
	if rows == nil {
		rows = []row{}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(rows); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}
