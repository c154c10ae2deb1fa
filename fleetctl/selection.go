package main

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/unit"
)

// selection is the units of the cluster that the arguments of a command mean.
type selection struct {
	units   []api.Unit // each once, in the sequence of the arguments
	globbed map[unit.Name]bool
	missing []string // names and patterns that mean nothing
}

const unitArgs = `UNIT is a name or, in quotes, a shell pattern for names. A dash (-) stands for the lines of standard
input, each a UNIT; empty lines and lines that begin with # do not count.`

// needUnits is the cobra.PositionalArgs of commands for one or more units.
func needUnits(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return errors.New("no units given")
	}
	return nil
}

// parseName is the name that an argument means: a path's base name, of type service unless it says another.
func parseName(arg string) (unit.Name, error) {
	if isGlob(arg) {
		return "", usage(fmt.Errorf("%q is a pattern, where one unit is to be named", arg))
	}
	name, err := unit.ParseName(path.Base(unit.Complete(arg)))
	if err != nil {
		return "", usage(err)
	}
	return name, nil
}

// selectUnits finds the units that exist. Arguments are names, shell patterns for names, or "-" for those on standard input.
func (a *app) selectUnits(ctx context.Context, c *api.Client, args []string) (selection, error) {
	s := selection{globbed: make(map[unit.Name]bool)}
	args, err := a.arguments(args)
	if err != nil {
		return s, err
	}
	var names []unit.Name
	var patterns []unit.Glob
	given := make(map[string]unit.Name, len(args))
	for _, arg := range args {
		if isGlob(arg) {
			globs, err := parseGlob(arg)
			if err != nil {
				return s, err
			}
			patterns = append(patterns, globs...)
			continue
		}
		name, err := parseName(arg)
		if err != nil {
			return s, err
		}
		given[arg] = name
		names = append(names, name)
	}
	known := make(map[unit.Name]api.Unit)
	var all []api.Unit
	if len(patterns) > 0 {
		if all, err = c.UnitsWith(ctx, api.ListOptions{Globs: patterns}); err != nil {
			return s, remote(fmt.Errorf("list units: %w", err))
		}
	}
	found, err := lookUp(ctx, c, names)
	if err != nil {
		return s, err
	}
	for _, u := range found {
		known[u.Name] = u
	}
	taken := make(map[unit.Name]bool)
	for _, arg := range args {
		matched := false
		if name, plain := given[arg]; plain {
			u, exists := known[name]
			if exists && !taken[name] {
				s.units = append(s.units, u)
				taken[name] = true
			}
			matched = exists
			arg = string(name)
		}
		for _, u := range all {
			if !isGlob(arg) || !globMatches(arg, u.Name) {
				continue
			}
			matched = true
			if !taken[u.Name] {
				s.units = append(s.units, u)
				taken[u.Name], s.globbed[u.Name] = true, true
			}
		}
		if !matched {
			s.missing = append(s.missing, arg)
		}
	}
	return s, nil
}

func isGlob(arg string) bool { return strings.ContainsAny(arg, "*?[") }

// parseGlob makes a pattern without a type also one for services, as in a plain name.
func parseGlob(arg string) ([]unit.Glob, error) {
	if _, err := path.Match(arg, ""); err != nil {
		return nil, usage(fmt.Errorf("malformed pattern %q", arg))
	}
	globs := []unit.Glob{unit.Glob(arg)}
	if whole := unit.Complete(arg); whole != arg {
		globs = append(globs, unit.Glob(whole))
	}
	return globs, nil
}

// globMatches tells whether one of the globs of a pattern fits.
func globMatches(pattern string, name unit.Name) bool {
	return unit.Glob(pattern).Match(name) || unit.Glob(unit.Complete(pattern)).Match(name)
}

// few units are got one by one, with what lists leave out.
const few = 8

// lookUp gets the units of these names that exist.
func lookUp(ctx context.Context, c *api.Client, names []unit.Name) ([]api.Unit, error) {
	get := getEach
	if len(names) > few {
		get = getListed
	}
	units, err := get(ctx, c, names)
	if err != nil {
		return nil, err
	}
	var found []api.Unit
	for _, u := range units {
		if u != nil {
			found = append(found, *u)
		}
	}
	return found, nil
}

// getEach gets units one by one, several at once; nil for those that do not exist.
func getEach(ctx context.Context, c *api.Client, names []unit.Name) ([]*api.Unit, error) {
	units := make([]*api.Unit, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i, name := range names {
		group.Go(func() error {
			u, err := c.Unit(ctx, name)
			if errors.Is(err, api.ErrNotFound) {
				return nil
			}
			if err != nil {
				return remote(fmt.Errorf("get unit %s: %w", name, err))
			}
			units[i] = &u
			return nil
		})
	}
	return units, group.Wait()
}

// getListed gets units from as few lists as their names' length allows; nil for those that do not exist.
func getListed(ctx context.Context, c *api.Client, names []unit.Name) ([]*api.Unit, error) {
	positions := make(map[unit.Name]int, len(names))
	for i, name := range names {
		positions[name] = i
	}
	units := make([]*api.Unit, len(names))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for some := range slices.Chunk(names, maxNames) {
		group.Go(func() error {
			all, err := c.UnitsWith(ctx, api.ListOptions{Names: some})
			if err != nil {
				return remote(fmt.Errorf("list %s: %w", count(len(some), "unit"), err))
			}
			for i := range all {
				// A server that does not know the filter lists more than was asked for.
				if at, asked := positions[all[i].Name]; asked && slices.Contains(some, all[i].Name) {
					units[at] = &all[i]
				}
			}
			return nil
		})
	}
	return units, group.Wait()
}

// inCluster asks the cluster what arguments for unit files mean there.
type inCluster struct{ client *api.Client }

func (in inCluster) knows(ctx context.Context, name unit.Name) (bool, error) {
	found, err := lookUp(ctx, in.client, []unit.Name{name})
	return len(found) > 0, err
}

// matches passes over templates: who means one names it.
func (in inCluster) matches(ctx context.Context, pattern string) ([]unit.Name, error) {
	globs, err := parseGlob(pattern)
	if err != nil {
		return nil, err
	}
	units, err := in.client.UnitsWith(ctx, api.ListOptions{Globs: globs, Fields: []string{"name"}})
	if err != nil {
		return nil, remote(fmt.Errorf("list units: %w", err))
	}
	var names []unit.Name
	for _, u := range units {
		if !u.Name.IsTemplate() && globMatches(pattern, u.Name) { // a server that does not know the filter lists all
			names = append(names, u.Name)
		}
	}
	if len(names) == 0 {
		return nil, noUnit("no unit matches %s", pattern)
	}
	slices.Sort(names)
	return names, nil
}

// reportMissing tells of the arguments that mean nothing in this cluster.
func (a *app) reportMissing(s selection) exitCode {
	for _, m := range s.missing {
		if isGlob(m) {
			a.complain("No unit matches %s.", m)
			continue
		}
		a.complain("Unit %s does not exist.", m)
	}
	if len(s.missing) == 0 {
		return exitOK
	}
	a.hint(lookForUnits)
	return exitNotFound
}

// again gets the selected units one by one, with what lists leave out, if they are few. Those
// that have been destroyed since are gone from the result.
func (s selection) again(ctx context.Context, c *api.Client) ([]api.Unit, error) {
	if len(s.units) > few {
		return s.units, nil
	}
	names := make([]unit.Name, len(s.units))
	for i, u := range s.units {
		names[i] = u.Name
	}
	return lookUp(ctx, c, names)
}
