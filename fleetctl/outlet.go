package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
)

// outlet is standard output. Much of what commands write there is written in pieces whose errors nobody looks at, so
// it remembers the first: a command whose words did not arrive, on a full disk say, has not succeeded.
type outlet struct {
	to     io.Writer
	failed error
}

// Write implements io.Writer.
func (o *outlet) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if err != nil && o.failed == nil {
		o.failed = err
	}
	return n, err
}

// written is the end of a command that could not write to standard output; nil if it could.
func written(err error) error {
	if err == nil {
		return nil
	}
	return &fault{exitError, fmt.Errorf("write the output: %w", err)}
}

// fileOf is the file behind a stream, which may be a terminal, and which programs can be given; nil if there is none.
func fileOf(stream any) *os.File {
	if o, wrapped := stream.(*outlet); wrapped {
		stream = o.to
	}
	f, _ := stream.(*os.File)
	return f
}

// lend gives a program fleetctl's own streams; the terminal itself, if standard output is one.
func (a *app) lend(cmd *exec.Cmd) {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.stdin, a.stdout, a.stderr
	if f := fileOf(a.stdout); f != nil {
		cmd.Stdout = f
	}
}
