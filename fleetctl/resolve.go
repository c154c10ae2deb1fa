package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// replacing is how a command treats units that exist with another file.
type replacing struct {
	allowed bool                   // --replace
	reach   []cluster.DesiredState // the states in which the command may replace a unit
}

// resolver finds the files that candidates are to be made from.
type resolver struct {
	app    *app
	client *api.Client
	given  map[unit.Name]*candidate // what the command is about
	stored map[unit.Name][]byte     // templates of the cluster; nil: it has none
	warned map[unit.Name]bool       // of templates that differ
}

// resolve finds out what the cluster has of each candidate and reads the files that are to
// be sent, which source chooses, and tells of what is wrong with any. It changes nothing, so that a mistake in the last argument does not
// leave the first ones half done.
func (a *app) resolve(ctx context.Context, c *api.Client, all []*candidate, source func(*resolver, context.Context, *candidate) error) error {
	r := &resolver{
		app: a, client: c, given: make(map[unit.Name]*candidate, len(all)),
		stored: make(map[unit.Name][]byte), warned: make(map[unit.Name]bool),
	}
	for _, x := range all {
		r.given[x.name] = x
	}
	existing, err := lookUp(ctx, c, namesOfCandidates(all))
	if err != nil {
		return err
	}
	for i := range existing {
		r.given[existing[i].Name].existing = &existing[i]
	}
	templatesFirst := slices.Clone(all) // instances are made from them
	slices.SortStableFunc(templatesFirst, func(x, y *candidate) int {
		switch {
		case x.name.IsTemplate() == y.name.IsTemplate():
			return 0
		case x.name.IsTemplate():
			return -1
		}
		return 1
	})
	code := exitOK
	for _, x := range templatesFirst {
		err := source(r, ctx, x)
		if err == nil && x.raw != nil {
			err = x.check()
		}
		if err == nil {
			continue
		}
		f := faultOf(err)
		if f.code == exitUnreachable {
			return f
		}
		if told := new(fault); errors.As(err, &told) { // mistakes in files begin with their place, for editors
			a.complain("%s %v", a.paint(a.stderr, red, "Error:"), f.err)
		} else {
			a.complain("%v", f.err)
		}
		code = worse(code, f.code)
	}
	return ended(code)
}

// source decides which file is to be sent for a unit, if any.
func (r *resolver) source(ctx context.Context, x *candidate, policy replacing) error {
	if x.existing == nil {
		return r.newSource(ctx, x)
	}
	x.global = x.existing.Global
	path, local, err := x.local()
	if err != nil {
		return err
	}
	differs := local != nil && unit.IDOf(local) != x.existing.Content
	switch {
	case x.existing.Error != "" && !policy.allowed:
		return &fault{exitRefused, fmt.Errorf("unit %s: its record in the cluster cannot be read (%s); destroy it, or add --replace", x.name, x.existing.Error)}
	case !policy.allowed && differs:
		kind := "local unit file"
		if path != x.path {
			kind = "local template unit file"
		}
		r.app.complain("WARNING: Unit %s in registry differs from %s %s. Add --replace to override.", x.name, kind, path)
	case !policy.allowed:
	case local == nil:
		return &fault{exitNotFound, fmt.Errorf("replace unit %s: there is no file %s", x.name, x.path)}
	case !differs:
		r.app.say("Found same Unit(%s) in Registry, nothing to do", x.name)
	case x.existing.Error == "" && !slices.Contains(policy.reach, x.existing.DesiredState):
		return &fault{exitRefused, fmt.Errorf("can not replace Unit(%s) in state '%s', use the appropriate command", x.name, x.existing.DesiredState)}
	default:
		x.raw, x.origin = local, path
	}
	return nil
}

// newSource finds a file for a unit that the cluster does not have: its own, a template that this
// command submits, the template in the cluster, or the template beside where its own would be.
func (r *resolver) newSource(ctx context.Context, x *candidate) error {
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
	if given := r.given[template]; given != nil && given.raw != nil {
		x.raw, x.origin = given.raw, given.origin
		return nil
	}
	stored, err := r.template(ctx, template)
	switch {
	case err != nil:
		return err
	case stored != nil:
		if local != nil && unit.IDOf(local) != unit.IDOf(stored) && !r.warned[template] {
			r.warned[template] = true
			r.app.complain("WARNING: Unit %s in registry differs from local template unit file %s. The one in the registry is used; use submit --replace to change it.", template, path)
		}
		x.raw, x.origin = stored, string(template)+" in the cluster"
	case local == nil:
		return &fault{exitNotFound, fmt.Errorf("failed getting Unit(%s) from template: unable to find template Unit(%s) in Registry or on filesystem", x.name, template)}
	default:
		x.raw, x.origin = local, path
	}
	return nil
}

// template gets the file of a template from the cluster, once for all of its instances; nil if there is none.
func (r *resolver) template(ctx context.Context, name unit.Name) ([]byte, error) {
	if raw, known := r.stored[name]; known {
		return raw, nil
	}
	raw, err := r.client.File(ctx, name)
	if err != nil && !errors.Is(err, api.ErrNotFound) {
		return nil, remote(fmt.Errorf("get the file of %s: %w", name, err))
	}
	if err != nil {
		raw = nil
	}
	r.stored[name] = raw
	return raw, nil
}

// local reads the unit's own file or, for an instance without one, its
// template in the same directory. There may be neither.
func (x *candidate) local() (path string, raw []byte, err error) {
	if x.piped != nil {
		return x.path, x.piped, nil
	}
	paths := []string{x.path}
	if x.name.IsInstance() {
		paths = append(paths, filepath.Join(filepath.Dir(x.path), string(x.name.Template())))
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		switch {
		case err == nil:
			return path, raw, nil
		case !absent(err):
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
