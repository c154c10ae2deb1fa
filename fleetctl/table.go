package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// column is one field of a list command.
type column[T any] struct {
	name  string
	cell  func(row T, s shape) string // empty: shown as "-"
	order func(x, y T) int            // for --sort; nil: by cell in full
	style func(row T) style           // nil: plain
}

// shape is how cells are to be written.
type shape struct {
	full bool
	now  time.Time
}

// text makes a cell of what needs no shape.
func text[T any](get func(T) string) func(T, shape) string {
	return func(row T, _ shape) string { return get(row) }
}

// pick returns the columns that a list of names means.
func pick[T any](fields string, columns []column[T]) ([]column[T], error) {
	if fields == "" {
		return nil, usage(errors.New("must define output format"))
	}
	var picked []column[T]
	for name := range strings.SplitSeq(fields, ",") {
		c, err := columnNamed(columns, name)
		if err != nil {
			return nil, err
		}
		picked = append(picked, c)
	}
	return picked, nil
}

func columnNamed[T any](columns []column[T], name string) (column[T], error) {
	i := slices.IndexFunc(columns, func(c column[T]) bool { return c.name == name })
	if i < 0 {
		return column[T]{}, usage(fmt.Errorf("invalid key in output format: %q; expect some of %s", name, columnNames(columns)))
	}
	return columns[i], nil
}

func columnNames[T any](columns []column[T]) string {
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	return strings.Join(names, ",")
}

// sortRows sorts by a column, backwards if its name is given with a "-". Rows that are the same there keep their order.
func sortRows[T any](rows []T, columns []column[T], by string) error {
	if by == "" {
		return nil
	}
	name, backwards := strings.CutPrefix(by, "-")
	c, err := columnNamed(columns, name)
	if err != nil {
		return usage(fmt.Errorf("sort by %q: expect one of %s, or one of them after a \"-\"", name, columnNames(columns)))
	}
	order := c.order
	if order == nil {
		exact := shape{full: true}
		order = func(x, y T) int { return cmp.Compare(c.cell(x, exact), c.cell(y, exact)) }
	}
	slices.SortStableFunc(rows, func(x, y T) int {
		if backwards {
			return order(y, x)
		}
		return order(x, y)
	})
	return nil
}

// cell is a piece of a table.
type cell struct {
	text  string
	style style
}

// grid is a table of any rows, the header first unless there is none.
func grid[T any](columns []column[T], rows []T, s shape, legend bool) [][]cell {
	var lines [][]cell
	if legend {
		line := make([]cell, len(columns))
		for i, c := range columns {
			line[i] = cell{strings.ToUpper(c.name), header}
		}
		lines = append(lines, line)
	}
	for _, row := range rows {
		line := make([]cell, len(columns))
		for i, c := range columns {
			line[i].text = cmp.Or(oneLine(c.cell(row, s)), "-")
			if c.style != nil {
				line[i].style = c.style(row)
			}
		}
		lines = append(lines, line)
	}
	return lines
}

const (
	tabStop   = 8
	columnGap = 2 // on a terminal
	narrowest = 8 // a column is not cut to less
)

// writeGrid writes a table. For programs it is fleet 1's: columns divided by
// TABs up to common tab stops. For a person it has spaces, and cut makes it
// as narrow as the terminal.
func (a *app) writeGrid(w io.Writer, lines [][]cell, cut bool) error {
	var b strings.Builder
	for _, line := range a.layOut(w, lines, cut) {
		b.WriteString(line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return written(err)
}

// layOut makes lines of a table that is to be written to w.
func (a *app) layOut(w io.Writer, lines [][]cell, cut bool) []string {
	width, watched := terminalWidth(w)
	length := utf8.RuneCountInString // as fleet 1 counted
	if watched {
		length = columnsOf
	}
	widths := widthsOf(lines, length)
	if watched && cut {
		fit(widths, width)
	}
	out := make([]string, len(lines))
	for n, line := range lines {
		var b strings.Builder
		for i, c := range line {
			text := c.text
			if watched {
				text = shorten(text, widths[i])
			}
			b.WriteString(a.paint(w, c.style, text))
			switch n := length(text); {
			case i == len(line)-1:
			case watched:
				b.WriteString(strings.Repeat(" ", widths[i]-n+columnGap))
			default:
				stop := (widths[i] + tabStop) / tabStop * tabStop
				b.WriteString(strings.Repeat("\t", (stop-n+tabStop-1)/tabStop))
			}
		}
		out[n] = b.String()
	}
	return out
}

func widthsOf(lines [][]cell, length func(string) int) []int {
	if len(lines) == 0 {
		return nil
	}
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, c := range line {
			widths[i] = max(widths[i], length(c.text))
		}
	}
	return widths
}

// breadth is how wide a table is on a terminal.
func breadth(widths []int) int {
	total := columnGap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	return total
}

// fit takes from the widest columns until the table is not wider than the terminal.
func fit(widths []int, terminal int) {
	for total := breadth(widths); total > terminal; total-- {
		widest := 0
		for i, w := range widths {
			if w >= widths[widest] { // of equals the last, which says least
				widest = i
			}
		}
		if widths[widest] <= narrowest {
			return
		}
		widths[widest]--
	}
}

// shortHash is 7 digits of a hash, as fleet 1 showed it.
func shortHash(hash string, full bool) string {
	if full || len(hash) < 7 {
		return hash
	}
	return hash[:7]
}
