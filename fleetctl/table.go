package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// column is one field of a list command.
type column[T any] struct {
	name string
	cell func(row T, full bool) string // empty: shown as "-"
}

// listing is the flags of every list command.
type listing struct {
	full     bool
	noLegend bool
	fields   string
}

func registerListing[T any](cmd *cobra.Command, l *listing, columns []column[T], defaults string) {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	flags := cmd.Flags()
	flags.BoolVarP(&l.full, "full", "l", false, "do not shorten ids and hashes")
	flags.BoolVar(&l.noLegend, "no-legend", false, "do not print a header")
	flags.StringVar(&l.fields, "fields", defaults, "columns to print, of "+strings.Join(names, ","))
}

// pick returns the columns that --fields names.
func pick[T any](l *listing, columns []column[T]) ([]column[T], error) {
	if l.fields == "" {
		return nil, usage(errors.New("must define output format"))
	}
	var picked []column[T]
	for _, name := range strings.Split(l.fields, ",") {
		i := slices.IndexFunc(columns, func(c column[T]) bool { return c.name == name })
		if i < 0 {
			return nil, usage(fmt.Errorf("invalid key in output format: %q", name))
		}
		picked = append(picked, columns[i])
	}
	return picked, nil
}

// table prints rows in columns divided by TABs, as fleet 1 did.
func table[T any](a *app, l *listing, columns []column[T], rows []T) error {
	w := tabwriter.NewWriter(a.stdout, 0, 8, 1, '\t', 0)
	cells := make([]string, len(columns))
	if !l.noLegend {
		for i, c := range columns {
			cells[i] = strings.ToUpper(c.name)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	for _, row := range rows {
		for i, c := range columns {
			cells[i] = cmp.Or(c.cell(row, l.full), "-")
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return &fault{exitError, fmt.Errorf("write the output: %w", err)}
	}
	return nil
}

// shortHash is 7 digits of a hash, as fleet 1 showed it.
func shortHash(hash string, full bool) string {
	if full || len(hash) < 7 {
		return hash
	}
	return hash[:7]
}
