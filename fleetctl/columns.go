package main

import (
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// oneLine keeps control characters, whoever wrote them, from the table and the terminal: those of ASCII, and those that stand
// for an escape and the letter after it (U+0080 to U+009F).
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// columnsOf is how many columns of a terminal a text takes.
func columnsOf(text string) int {
	n := 0
	for _, r := range text {
		n += columnsOfRune(r)
	}
	return n
}

func columnsOfRune(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0 // it is a part of the one before it
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// shorten cuts a text that is wider than its column of a table.
func shorten(text string, column int) string {
	if columnsOf(text) <= column {
		return text
	}
	n := 0
	for at, r := range text {
		if n += columnsOfRune(r); n > column-1 { // the last is the sign's
			return text[:at] + "…"
		}
	}
	return text
}
