package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"fleet/unit"
)

// verification is what is wrong with one unit file, and what may be.
type verification struct {
	Name     unit.Name `json:"name"`
	Path     string    `json:"path"`
	Valid    bool      `json:"valid"`
	Errors   []string  `json:"errors,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
}

func (a *app) verifyCommand() *cobra.Command {
	var name string
	var alone bool
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check unit files, without a cluster",
		Long: `Check unit files as submit would, and with "systemd-analyze verify" where that is installed. No
cluster is asked.

FILE is the path of a unit file, a directory, of which all files are taken that are named as
units, or "-" for the lines of standard input, each a FILE. With --name NAME the only FILE is "-": the
file of the unit NAME is on standard input. An instance without a file is checked as what its template
makes of it.

An error is what no fleetd accepts, or no systemd runs. What systemd ignores is a warning, and so is
what it misses on this host, such as a program: the unit runs on another. The exit code is 1 if
there is any error.`,
		Example: `  fleetctl verify units/
  git diff --name-only -- '*.service' | fleetctl verify -`,
		Annotations: map[string]string{offline: ""},
		Args:        needUnits,
		RunE:        func(cmd *cobra.Command, args []string) error { return a.verify(cmd.Context(), args, name, alone) },
	}
	cmd.Flags().BoolVar(&alone, "no-systemd", false, "do not ask systemd-analyze")
	registerName(cmd, &name)
	return cmd
}

func (a *app) verify(ctx context.Context, args []string, name string, alone bool) error {
	all, err := a.candidates(ctx, args, name, nil)
	if err != nil {
		return err
	}
	code := exitOK
	verified := make([]*verification, 0, len(all))
	var files []checkedFile
	for _, x := range all {
		path, raw, err := x.local()
		if err == nil && raw == nil {
			err = &fault{exitNotFound, fmt.Errorf("there is no file %s", x.path)}
		}
		if err != nil {
			f := faultOf(err)
			a.complain("%v", f.err)
			code = worse(code, f.code)
			continue
		}
		x.raw, x.origin = raw, path
		v := &verification{Name: x.name, Path: path}
		verified = append(verified, v)
		if err := x.check(); err != nil {
			v.Errors = strings.Split(err.Error(), "\n")
		}
		if len(x.raw) > 0 {
			files = append(files, checkedFile{x, v})
		}
	}
	if !alone && len(files) > 0 {
		if err := analyze(ctx, files); err != nil {
			a.complain("Only fleet's own rules were checked: %v", err)
		}
	}
	for _, v := range verified {
		v.Valid = len(v.Errors) == 0
		if !v.Valid {
			code = worse(code, exitError)
		}
		a.tellVerified(v)
	}
	if a.structured() {
		if err := entities(a, verified); err != nil {
			return err
		}
	}
	return ended(code)
}

func (a *app) tellVerified(v *verification) {
	for _, text := range v.Errors {
		a.complain("%s", text)
	}
	for _, text := range v.Warnings {
		a.complain("%s %s", a.paint(a.stderr, yellow, "warning:"), text)
	}
	switch {
	case !v.Valid:
		a.complain("Unit %s is not valid: %s", v.Name, count(len(v.Errors), "error"))
	case len(v.Warnings) > 0:
		a.say("Unit %s is valid, with %s", v.Name, count(len(v.Warnings), "warning"))
	default:
		a.say("Unit %s is valid", v.Name)
	}
}
