package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// candidate is an argument of submit, load or start: a unit's name, and perhaps a file.
type candidate struct {
	name unit.Name
	path string // where a file of the unit's own would be

	existing *api.Unit // nil if the cluster has no such unit
	raw      []byte    // the file to send; nil if nothing is to be sent
	origin   string    // where raw is from
	global   bool
}

// replacing is how a command treats units that exist with another file.
type replacing struct {
	allowed bool                   // --replace
	reach   []cluster.DesiredState // the states in which the command may replace a unit
}

// resolve finds out what each argument means and reads the files that are to
// be sent, which source chooses. It changes nothing, so that a mistake in the last argument does not
// leave the first ones half done.
func (a *app) resolve(ctx context.Context, c *api.Client, args []string, source func(*candidate) error) ([]*candidate, error) {
	all, err := candidates(args)
	if err != nil {
		return nil, err
	}
	names := make([]unit.Name, len(all))
	for i, x := range all {
		names[i] = x.name
	}
	existing, _, err := lookUp(ctx, c, names)
	if err != nil {
		return nil, err
	}
	for i := range existing {
		all[slices.Index(names, existing[i].Name)].existing = &existing[i]
	}
	code := exitOK
	for _, x := range all {
		err := source(x)
		if err == nil && x.raw != nil {
			err = x.check()
		}
		if err == nil {
			continue
		}
		var f *fault
		if !errors.As(err, &f) {
			f = &fault{exitError, err}
		}
		if f.code == exitUnreachable {
			return nil, f
		}
		a.complain("%v", f.err)
		code = worse(code, f.code)
	}
	if code != exitOK {
		a.complain("Nothing was sent.")
		return nil, ended(code)
	}
	return all, nil
}

func candidates(args []string) ([]*candidate, error) {
	var all []*candidate
	byName := make(map[unit.Name]*candidate, len(args))
	for _, arg := range args {
		name, err := parseName(arg)
		if err != nil {
			return nil, err
		}
		path := unit.Complete(arg)
		if twin, twice := byName[name]; twice {
			if filepath.Clean(twin.path) != filepath.Clean(path) {
				return nil, usage(fmt.Errorf("unit %s is given twice: as %s and as %s", name, twin.path, path))
			}
			continue
		}
		x := &candidate{name: name, path: path}
		byName[name] = x
		all = append(all, x)
	}
	return all, nil
}

// source decides which file is to be sent for a unit, if any.
func (a *app) source(ctx context.Context, c *api.Client, x *candidate, r replacing) error {
	if x.existing == nil {
		return a.newSource(ctx, c, x)
	}
	x.global = x.existing.Global
	path, local, err := x.local()
	if err != nil {
		return err
	}
	differs := local != nil && unit.IDOf(local) != x.existing.Content
	switch {
	case x.existing.Error != "" && !r.allowed:
		return &fault{exitRefused, fmt.Errorf("unit %s: its record in the cluster cannot be read (%s); destroy it, or add --replace", x.name, x.existing.Error)}
	case !r.allowed && differs:
		kind := "local unit file"
		if path != x.path {
			kind = "local template unit file"
		}
		a.complain("WARNING: Unit %s in registry differs from %s %s. Add --replace to override.", x.name, kind, path)
	case !r.allowed:
	case local == nil:
		return &fault{exitNotFound, fmt.Errorf("replace unit %s: there is no file %s", x.name, x.path)}
	case !differs:
		a.say("Found same Unit(%s) in Registry, nothing to do", x.name)
	case x.existing.Error == "" && !slices.Contains(r.reach, x.existing.DesiredState):
		return &fault{exitRefused, fmt.Errorf("can not replace Unit(%s) in state '%s', use the appropriate command", x.name, x.existing.DesiredState)}
	default:
		x.raw, x.origin = local, path
	}
	return nil
}

// newSource finds a file for a unit that the cluster does not have: its own,
// the template in the cluster, or the template beside where its own would be.
func (a *app) newSource(ctx context.Context, c *api.Client, x *candidate) error {
	path, local, err := x.local()
	if err != nil {
		return err
	}
	if local != nil && path == x.path {
		x.raw, x.origin = local, path
		return nil
	}
	if !x.name.IsInstance() {
		return &fault{exitNotFound, fmt.Errorf("unable to find Unit(%s) in Registry or on filesystem (%s)", x.name, x.path)}
	}
	template := x.name.Template()
	stored, err := c.File(ctx, template)
	switch {
	case err == nil:
		if local != nil && unit.IDOf(local) != unit.IDOf(stored) {
			a.complain("WARNING: Unit %s in registry differs from local template unit file %s. The one in the registry is used; use submit --replace to change it.", template, path)
		}
		x.raw, x.origin = stored, string(template)+" in the cluster"
	case !errors.Is(err, api.ErrNotFound):
		return remote(fmt.Errorf("get the file of %s: %w", template, err))
	case local == nil:
		return &fault{exitNotFound, fmt.Errorf("failed getting Unit(%s) from template: unable to find template Unit(%s) in Registry or on filesystem", x.name, template)}
	default:
		x.raw, x.origin = local, path
	}
	return nil
}

// local reads the unit's own file or, for an instance without one, its
// template in the same directory. There may be neither.
func (x *candidate) local() (path string, raw []byte, err error) {
	paths := []string{x.path}
	if x.name.IsInstance() {
		paths = append(paths, filepath.Join(filepath.Dir(x.path), string(x.name.Template())))
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		switch {
		case err == nil:
			return path, raw, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return "", nil, &fault{exitError, fmt.Errorf("unit %s: %w", x.name, err)}
		}
	}
	return "", nil, nil
}

// check reads the file as the cluster will. Its errors name file and line.
func (x *candidate) check() error {
	if len(x.raw) == 0 {
		return fmt.Errorf("%s: the file is empty", x.origin) // systemd would take the unit for masked
	}
	file, err := unit.Parse(x.raw)
	if err != nil {
		return located(x.origin, err)
	}
	rules, err := file.Rules(x.name)
	if err != nil {
		return located(x.origin, err)
	}
	x.global = rules.Global
	return nil
}

// located gives every mistake in a unit file the form file:line: text, one a line.
func located(file string, err error) error {
	var mistakes []error
	all := []error{err}
	if joined, several := err.(interface{ Unwrap() []error }); several {
		all = joined.Unwrap()
	}
	for _, e := range all {
		var mistake *unit.SyntaxError
		if !errors.As(e, &mistake) || mistake.Line == 0 {
			mistakes = append(mistakes, fmt.Errorf("%s: %w", file, e))
			continue
		}
		where := fmt.Sprintf("%s:%d", file, mistake.Line)
		bare := *mistake
		bare.Line = 0
		mistakes = append(mistakes, fmt.Errorf("%s: %w", where, &bare))
	}
	return errors.Join(mistakes...)
}
