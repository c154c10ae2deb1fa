package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
)

// errNobodyToAsk: a question needs a person's answer, and there is none on both sides of a terminal.
var errNobodyToAsk = errors.New("there is nobody to ask")

// ask puts a question to a person, who has to say yes for it to be answered so.
func (a *app) ask(ctx context.Context, question string) (yes bool, err error) {
	answer, err := a.answer(ctx, question+" [y/N] ")
	return answer == "y" || answer == "yes", err
}

// answer is what a person says to a question, in lower case; empty if nothing.
func (a *app) answer(ctx context.Context, question string) (string, error) {
	if !isTerminal(a.stderr) || !isTerminal(a.stdin) {
		return "", errNobodyToAsk
	}
	fmt.Fprint(a.stderr, question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.stdin).ReadString('\n') // an end without an answer is none
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case <-ctx.Done():
		fmt.Fprintln(a.stderr)
		return "", ctx.Err()
	case line := <-answer:
		return line, nil
	}
}

// confirm asks a person before anything is moved. Where there is none, --yes has to say it.
func (a *app) confirm(ctx context.Context, r rebalancing, moves int) error {
	if r.yes {
		return nil
	}
	yes, err := a.ask(ctx, fmt.Sprintf("Make %s, one after another?", count(moves, "move")))
	switch {
	case errors.Is(err, errNobodyToAsk):
		return &fault{exitRefused, fmt.Errorf("%s to be made and nobody to ask: add --yes to make them, or --plan to only see them", count(moves, "move"))}
	case err != nil:
		return &fault{exitTimeout, errors.New("interrupted; nothing was moved")}
	case !yes:
		return &fault{exitRefused, errors.New("nothing was moved")}
	}
	return nil
}

// agree asks a person before something that runs changes. Where there is none, --yes has to say it.
func (a *app) agree(ctx context.Context, what string) error {
	yes, err := a.ask(ctx, what+". Go ahead?")
	switch {
	case errors.Is(err, errNobodyToAsk):
		return &fault{exitRefused, fmt.Errorf("%s, and %w; nothing was sent", what, err)}
	case err != nil:
		return &fault{exitTimeout, errors.New("interrupted; nothing was sent")}
	case !yes:
		return &fault{exitRefused, errors.New("nothing was sent")}
	}
	return nil
}
