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
		b.WriteString("[" + shorten(e.Section) + "]")
		if e.Key != "" {
			b.WriteString(" " + shorten(e.Key))
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	return b.String()
}

// shorten makes a part of anyone's file safe to show.
func shorten(s string) string {
	return strings.ReplaceAll(excerpt(s), `"`, "")
}

// excerpt quotes a part of anyone's file.
func excerpt(s string) string {
	const enough = 60
	if len(s) > enough {
		return strconv.Quote(strings.ToValidUTF8(s[:enough], "")) + "…"
	}
	return strconv.Quote(s)
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
