package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"

	"fleet/api"
)

// What a terminal understands since the VT100, and the other screen since xterm.
const (
	otherScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l" // without a cursor, and what is too long does not go on in the next line
	firstScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l"
	toTheTop    = "\x1b[H"
	clearLine   = "\x1b[K"
	clearRest   = "\x1b[J"
)

// topScreen is top on a terminal.
type topScreen struct {
	*topping
	app     *app
	keep    func(api.Machine) bool
	picture picture
	skipped int // rows above the first that is shown
	height  int
}

// run shows pictures until somebody presses q or ctx ends, and leaves the terminal as it was.
func (s *topScreen) run(ctx context.Context, pictures <-chan picture) error {
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	keys := make(chan string)
	if in := fileOf(s.app.stdin); isTerminal(in) {
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return &fault{exitError, fmt.Errorf("read single keys: %w", err)}
		}
		defer func() { _ = term.Restore(int(in.Fd()), before) }() // there is nobody left to tell
		go readKeys(ctx, in, keys)
	}
	fmt.Fprint(s.app.stdout, otherScreen)
	defer fmt.Fprint(s.app.stdout, firstScreen)
	for {
		if err := s.draw(); err != nil {
			return err
		}
		select {
		case s.picture = <-pictures:
		case <-resized:
		case key := <-keys:
			if s.press(key) {
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// readKeys ends with the process at the latest: a read of a terminal cannot be interrupted.
func readKeys(ctx context.Context, in *os.File, keys chan<- string) {
	buffer := make([]byte, 16)
	for {
		n, err := in.Read(buffer)
		if err != nil {
			return
		}
		pressed := []string{string(buffer[:n])} // one special key
		if buffer[0] != '\x1b' {
			pressed = strings.Split(pressed[0], "")
		}
		for _, key := range pressed {
			if send(ctx, keys, key) != nil {
				return
			}
		}
	}
}

// press does what a key is for, and tells whether that is to end.
func (s *topScreen) press(key string) (end bool) {
	page := max(1, s.height-1)
	switch key {
	case "q", "Q", "\x03", "\x04", "\x1b":
		return true
	case "m":
		s.sort = "-memory"
	case "c":
		s.sort = "-cpu"
	case "d":
		s.sort = "-disk"
	case "u":
		s.sort = "-units"
	case "f":
		s.sort = "-failed"
	case "n":
		s.sort = "machine"
	case "\x1b[A", "\x1bOA", "k":
		s.skipped--
	case "\x1b[B", "\x1bOB", "j":
		s.skipped++
	case "\x1b[5~":
		s.skipped -= page
	case "\x1b[6~", " ":
		s.skipped += page
	}
	return false
}

// draw writes over what is there, so that nothing flickers.
func (s *topScreen) draw() error {
	out := fileOf(s.app.stdout) // it is a terminal
	width, height, err := term.GetSize(int(out.Fd()))
	if err != nil || width <= 0 || height <= 0 {
		width, height = 80, 24
	}
	var b strings.Builder
	line := func(st style, text string) {
		b.WriteString(s.app.paint(out, st, shorten(text, width)) + clearLine + "\r\n")
	}
	b.WriteString(toTheTop)
	line(bold, s.picture.sum())
	if s.picture.broken != nil {
		line(red, s.picture.broken.Error())
	} else {
		line(plain, "")
	}
	rows := s.picture.rows(s.keep)
	if err := sortRows(rows, topColumns(true), s.sort); err != nil {
		return err
	}
	lines, err := s.table(rows, width)
	if err != nil {
		return err
	}
	s.height = max(1, height-4) // what is left beside the sum, the complaint, the header and the last line
	s.skipped = max(0, min(s.skipped, len(rows)-s.height))
	head := len(lines) - len(rows)
	shown := append(lines[:head:head], lines[head+s.skipped:min(len(lines), head+s.skipped+s.height)]...)
	for _, text := range s.app.layOut(out, shown, !s.full) {
		b.WriteString(text + clearLine + "\r\n")
	}
	b.WriteString(clearRest)
	last := "q quit  sort: m memory  c CPU  d disk  u units  f failed  n machine"
	if hidden := len(rows) - s.height; hidden > 0 {
		last = fmt.Sprintf("%d-%d of %d  ↑ ↓ scroll  ", s.skipped+1, s.skipped+s.height, len(rows)) + last
	}
	b.WriteString(fmt.Sprintf("\x1b[%dH", height) + s.app.paint(out, faint, shorten(last, width)) + clearLine)
	_, err = out.WriteString(b.String())
	return written(err)
}

// table has bars where there is room for them beside the numbers.
func (s *topScreen) table(rows []topRow, width int) (lines [][]cell, err error) {
	for _, bars := range []bool{true, false} {
		picked, err := pick(s.fields, topColumns(bars))
		if err != nil {
			return nil, err
		}
		lines = grid(picked, rows, shape{s.full, time.Now()}, !s.noLegend)
		if breadth(widthsOf(lines, columnsOf)) <= width {
			break
		}
	}
	return lines, nil
}
