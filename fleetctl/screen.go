package main

import (
	"io"

	"golang.org/x/term"
)

// style is a way to write on a terminal that means something: failed things
// are red, what runs is green, what waits is yellow. Nothing is said by colour alone.
type style string

const (
	plain  style = ""
	bold   style = "1"
	faint  style = "2"
	header style = "4" // underlined, as systemctl has it
	red    style = "31"
	green  style = "32"
	yellow style = "33"
)

// colour tells whether what is written to w may have colours. --color=always is
// for who has a terminal behind a pipe; nothing but that overrules NO_COLOR.
func (a *app) colour(w io.Writer) bool {
	switch a.color {
	case "always":
		return true
	case "never":
		return false
	}
	_, watched := terminalWidth(w)
	return watched && a.getenv("NO_COLOR") == "" && a.getenv("TERM") != "dumb"
}

// paint is text in a style, if w may have colours.
func (a *app) paint(w io.Writer, s style, text string) string {
	if s == plain || text == "" || !a.colour(w) {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// painter is paint for a writer.
type painter func(s style, text string) string

func (a *app) painter(w io.Writer) painter {
	return func(s style, text string) string { return a.paint(w, s, text) }
}

// terminal tells whether a person watches stderr, and how wide it is.
func (a *app) terminal() (width int, ok bool) { return terminalWidth(a.stderr) }

// isTerminal tells whether a stream is a terminal.
func isTerminal(stream any) bool {
	f := fileOf(stream)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// terminalWidth tells whether w is a terminal, and how many columns it has.
func terminalWidth(w io.Writer) (width int, ok bool) {
	if !isTerminal(w) {
		return 0, false
	}
	width, _, err := term.GetSize(int(fileOf(w).Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return width, true
}
