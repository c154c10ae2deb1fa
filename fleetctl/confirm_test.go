package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminalPair is a terminal, and what the person in front of it types and sees.
func terminalPair(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}

func TestOnlyYesMovesAnything(t *testing.T) {
	for answer, want := range map[string]exitCode{
		"y\n": exitOK, "Yes\n": exitOK, "n\n": exitRefused, "\n": exitRefused, "yesterday\n": exitRefused, "\x04": exitRefused,
	} {
		person, terminal := terminalPair(t)
		if _, err := io.WriteString(person, answer); err != nil {
			t.Fatal(err)
		}
		a := &app{stdin: terminal, stderr: terminal}
		if got := codeOf(a.confirm(t.Context(), rebalancing{}, 3)); got != want {
			t.Errorf("answer %q: exit code %d, want %d", answer, got, want)
		}
	}
}

func TestQuestionIsAskedAndCanBeInterrupted(t *testing.T) {
	person, terminal := terminalPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	a := &app{stdin: terminal, stderr: terminal}
	done := make(chan error, 1)
	go func() { done <- a.confirm(ctx, rebalancing{}, 3) }()
	shown := make([]byte, 200)
	n, err := person.Read(shown)
	if question := string(shown[:n]); err != nil || !strings.Contains(question, "Make 3 moves, one after another? [y/N]") {
		t.Fatalf("asked %q, %v", question, err)
	}
	cancel()
	if err := <-done; codeOf(err) != exitTimeout {
		t.Errorf("interrupted: %v", err)
	}
	if _, err := io.WriteString(person, "\n"); err != nil { // lets the reader of the answer go
		t.Fatal(err)
	}
}

func codeOf(err error) exitCode {
	var f *fault
	if errors.As(err, &f) {
		return f.code
	}
	return exitOK
}
