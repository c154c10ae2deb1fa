package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/term"
)

// confirm asks a person before anything is moved. Where there is none, --yes has to say it.
func (a *app) confirm(ctx context.Context, r rebalancing, moves int) error {
	if r.yes {
		return nil
	}
	in, isFile := a.stdin.(*os.File)
	if _, watched := a.terminal(); !watched || !isFile || !term.IsTerminal(int(in.Fd())) {
		return usage(fmt.Errorf("%s to be made and nobody to ask: add --yes to make them, or --plan to only see them", count(moves, "move")))
	}
	fmt.Fprintf(a.stderr, "Make %s, one after another? [y/N] ", count(moves, "move"))
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n') // an end without an answer is no
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return &fault{exitTimeout, errors.New("interrupted; nothing was moved")}
	case line := <-answer:
		if line == "y" || line == "yes" {
			return nil
		}
	}
	return &fault{exitRefused, errors.New("nothing was moved")}
}
