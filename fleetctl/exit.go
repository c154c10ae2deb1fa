package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"fleet/api"
)

// exitCode is what fleetctl tells its caller. The numbers are documented for users and do not change.
type exitCode int

const (
	exitOK          exitCode = 0
	exitError       exitCode = 1 // anything that has no code of its own
	exitUsage       exitCode = 2
	exitNotFound    exitCode = 3
	exitFailed      exitCode = 4 // on a machine, and failed there
	exitNowhere     exitCode = 5 // no machine fits the unit
	exitTimeout     exitCode = 6 // gave up waiting; the request stays in force
	exitRefused     exitCode = 7 // the cluster is able to, but does not do it
	exitUnreachable exitCode = 8
)

// exitCodes are what the codes mean, in a word and for the manual.
var exitCodes = []struct {
	code           exitCode
	short, meaning string
}{
	{exitOK, "success", "success"},
	{exitError, "other errors", "an error that has no code of its own, such as a mistake in a unit file; of diff: files differ"},
	{exitUsage, "usage", "usage: unknown command or flag, invalid value or unit name"},
	{exitNotFound, "not found", "a unit, a machine, or a file to create a unit from was not found"},
	{exitFailed, "failed on a machine", "the unit is on a machine and failed there"},
	{exitNowhere, "no machine fits", "no machine fits the unit"},
	{exitTimeout, "gave up waiting", "gave up waiting, or was interrupted; the request stays in force"},
	{exitRefused, "refused", "refused: not allowed in the unit's present state or by its rules, or somebody else changed the unit meanwhile"},
	{exitUnreachable, "not reached", "the cluster cannot be reached, or a machine whose journal or status is asked for"},
}

// exitSummary is all exit codes in one sentence.
func exitSummary() string {
	words := make([]string, len(exitCodes))
	for i, c := range exitCodes {
		words[i] = fmt.Sprintf("%d %s", c.code, c.short)
	}
	return strings.Join(words, ", ") + ` (see "fleetctl help exit-codes")`
}

// worse tells which of two codes a command ends with when its units differ:
// what says least about the rest of the units comes first.
func worse(a, b exitCode) exitCode {
	order := []exitCode{exitUsage, exitUnreachable, exitError, exitFailed, exitNowhere, exitTimeout, exitRefused, exitNotFound, exitOK}
	if slices.Index(order, a) <= slices.Index(order, b) {
		return a
	}
	return b
}

// fault is the end of a command that did not succeed.
type fault struct {
	code exitCode
	err  error // nil if everything was told already
}

func (f *fault) Error() string {
	if f.err == nil {
		return "told already"
	}
	return f.err.Error()
}

func (f *fault) Unwrap() error { return f.err }

// faultOf is an error as the end of a command; one that says nothing of its code is a general one.
func faultOf(err error) *fault {
	var f *fault
	if !errors.As(err, &f) {
		f = &fault{exitError, err}
	}
	return f
}

// usage marks an error as a mistake in how fleetctl was called.
func usage(err error) error { return &fault{exitUsage, err} }

// ended is the error of a command whose failures were told one by one; nil for exitOK.
func ended(code exitCode) error {
	if code == exitOK {
		return nil
	}
	return &fault{code: code}
}

// withCode is the end of a command that ends with code, or with err if that is worse.
func withCode(err error, code exitCode) error {
	var f *fault
	if errors.As(err, &f) && worse(f.code, code) == code {
		return &fault{code, f.err}
	}
	if err == nil {
		return ended(code)
	}
	return err
}

// remote marks an error of the API client with the exit code that it means.
func remote(err error) error {
	if err == nil {
		return nil
	}
	return &fault{remoteCode(err), err}
}

func remoteCode(err error) exitCode {
	var answer *api.Error
	switch {
	case errors.Is(err, context.Canceled):
		return exitTimeout
	case !errors.As(err, &answer), answer.Code == http.StatusServiceUnavailable,
		answer.Code == http.StatusBadGateway, answer.Code == http.StatusGatewayTimeout:
		return exitUnreachable
	case answer.Code == http.StatusNotFound:
		return exitNotFound
	case wantsTLS(answer):
		return exitUnreachable
	case answer.Code == http.StatusRequestEntityTooLarge:
		return exitError
	case answer.Code/100 == 4, answer.Code == http.StatusInsufficientStorage:
		return exitRefused
	}
	return exitError
}
