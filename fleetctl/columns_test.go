package main

import (
	"strings"
	"testing"
)

func TestNothingThatControlsATerminalIsLeft(t *testing.T) {
	got := oneLine("a\x1b[31mb\tc\u009b2Jd\u0085e\x7ff ü")
	if want := "a [31mb c 2Jd e f ü"; got != want {
		t.Errorf("%q is left, want %q", got, want)
	}
}

func TestTextsAreCutToColumns(t *testing.T) {
	for _, c := range []struct {
		text   string
		taken  int
		column int
		want   string
	}{
		{"web.service", 11, 11, "web.service"},
		{"web.service", 11, 10, "web.servi…"},
		{"größer", 6, 6, "größer"},
		{"gro\u0308ßer", 6, 5, "gro\u0308ß…"},
		{"日本語の店", 10, 10, "日本語の店"},
		{"日本語の店", 10, 9, "日本語の…"},
		{"日本語の店", 10, 8, "日本語…"}, // half a character cannot be shown
		{"🚀 up", 5, 4, "🚀 …"},
		{"x", 1, 0, "…"},
	} {
		if got := columnsOf(c.text); got != c.taken {
			t.Errorf("%q takes %d columns, want %d", c.text, got, c.taken)
		}
		if got := shorten(c.text, c.column); got != c.want {
			t.Errorf("%q in %d columns is %q, want %q", c.text, c.column, got, c.want)
		}
	}
}

// TestProgramsGetTheTABsOfFleet1: columns are counted for people only.
func TestProgramsGetTheTABsOfFleet1(t *testing.T) {
	var out strings.Builder
	a := &app{color: "never"}
	if err := a.writeGrid(&out, [][]cell{{{text: "日本語の店です"}, {text: "x"}}, {{text: "web"}, {text: "y"}}}, true); err != nil {
		t.Fatal(err)
	}
	if want := "日本語の店です\tx\nweb\ty\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
