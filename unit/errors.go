package unit

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// SyntaxError is one mistake in a unit file. Several of them are joined
// (errors.Join) in the order of their lines.
type SyntaxError struct {
	Line    int    // counted from 1; 0 if unknown
	Section string // empty if the mistake is in none
	Key     string // as written; empty if the mistake is not in an assignment
	Msg     string
}

// Error is such as "line 7: [X-Fleet] Global: ...".
func (e *SyntaxError) Error() string {
	var b strings.Builder
	if e.Line > 0 {
		b.WriteString("line " + strconv.Itoa(e.Line) + ": ")
	}
	if e.Section != "" {
		b.WriteString("[" + printable(e.Section) + "]")
		if e.Key != "" {
			b.WriteString(" " + printable(e.Key))
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// printable makes s safe to show: it may come from anyone's file.
func printable(s string) string {
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

// join orders mistakes by line and makes one error of them, nil if there are none.
func join(mistakes []*SyntaxError) error {
	slices.SortStableFunc(mistakes, func(a, b *SyntaxError) int { return cmp.Compare(a.Line, b.Line) })
	errs := make([]error, len(mistakes))
	for i, m := range mistakes {
		errs[i] = m
	}
	return errors.Join(errs...)
}
