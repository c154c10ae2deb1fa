package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

// candidate is a unit that an argument for unit files means: its name, and perhaps a file.
type candidate struct {
	name  unit.Name
	path  string // where a file of the unit's own would be
	found bool   // in a directory, rather than named
	piped []byte // the file, if it came through standard input

	existing *api.Unit // nil if the cluster has no such unit
	raw      []byte    // the file to send; nil if nothing is to be sent
	origin   string    // where raw is from
	global   bool
}

// pipedPath is where errors say that a file from standard input is.
const pipedPath = "standard input"

const fileArgs = `UNIT is the name of a unit or, in quotes, a shell pattern for names of units that the cluster has; FILE is the path of a
unit file, or of a directory. Of a directory all files that are named as units are taken, but none of what is in
directories in it; what is passed over is named.
A plain word is a directory only if no unit of that name is known.
A dash (-) stands for the lines of standard input, each a UNIT or FILE; empty lines and lines that begin
with # do not count. With --name NAME it stands for the unit's file itself.`

// registerName is for commands that take a unit file from standard input.
func registerName(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "name", "", `the only argument is "-": the file of the unit NAME is on standard input`)
}

// present is what arguments for unit files have to know of the cluster; nil where there is none to be asked.
type present interface {
	// knows tells whether there is a unit of that name.
	knows(context.Context, unit.Name) (bool, error)
	// matches lists the units that a pattern fits.
	matches(ctx context.Context, pattern string) ([]unit.Name, error)
}

// candidates are the units that arguments mean, each once: those that are named in their sequence, then what patterns add.
func (a *app) candidates(ctx context.Context, args []string, name string, in present) ([]*candidate, error) {
	if name != "" {
		return a.pipedCandidate(args, name)
	}
	args, err := a.arguments(args)
	if err != nil {
		return nil, err
	}
	g := gathering{byName: make(map[unit.Name]*candidate, len(args))}
	var patterns []string
	for _, arg := range args {
		dir, err := isDirectory(ctx, arg, in)
		if err != nil {
			return nil, err
		}
		switch {
		case !dir && in != nil && isGlob(filepath.Base(arg)):
			patterns = append(patterns, arg)
			continue
		case !dir:
			g.add(unit.Complete(arg), false)
			continue
		}
		paths, err := a.unitFiles(arg)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			g.add(path, true)
		}
	}
	if len(g.mistakes) > 0 {
		return nil, usage(errors.Join(g.mistakes...))
	}
	for _, pattern := range patterns {
		names, err := in.matches(ctx, pattern)
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if g.byName[name] == nil {
				g.add(string(name), false)
			}
		}
	}
	return g.all, nil
}

func (a *app) pipedCandidate(args []string, arg string) ([]*candidate, error) {
	if len(args) != 1 || args[0] != fromStdin {
		return nil, usage(errors.New(`with --name the only argument is "-", for the file on standard input`))
	}
	name, err := unit.ParseName(unit.Complete(arg))
	if err != nil {
		return nil, usage(err)
	}
	raw, err := io.ReadAll(a.stdin)
	if err != nil {
		return nil, &fault{exitError, fmt.Errorf("read the file of %s from standard input: %w", name, err)}
	}
	if raw == nil {
		raw = []byte{}
	}
	return []*candidate{{name: name, path: pipedPath, piped: raw}}, nil
}

// gathering collects candidates, and everything that is wrong with them.
type gathering struct {
	all      []*candidate
	byName   map[unit.Name]*candidate
	mistakes []error
}

func (g *gathering) add(path string, found bool) {
	name, err := unit.ParseName(filepath.Base(path))
	if err != nil && found {
		err = fmt.Errorf("%s: %w", path, err)
	}
	if err != nil {
		g.mistakes = append(g.mistakes, err)
		return
	}
	twin, twice := g.byName[name]
	switch {
	case !twice:
		x := &candidate{name: name, path: path, found: found}
		g.byName[name] = x
		g.all = append(g.all, x)
	case filepath.Clean(twin.path) != filepath.Clean(path):
		g.mistakes = append(g.mistakes, fmt.Errorf("unit %s is given twice: as %s and as %s", name, twin.path, path))
	default:
		twin.found = twin.found && found
	}
}

// instances refuses templates that were named, as they are never on a machine. Those of a directory are submitted.
func instances(verb string, all []*candidate) error {
	var mistakes []error
	for _, x := range all {
		if x.name.IsTemplate() && !x.found {
			mistakes = append(mistakes, fmt.Errorf("cannot %s template %s; name an instance of it", verb, x.name))
		}
	}
	if len(mistakes) > 0 {
		return usage(errors.Join(mistakes...))
	}
	return nil
}

// names are the names of candidates.
func namesOfCandidates(all []*candidate) []unit.Name {
	names := make([]unit.Name, len(all))
	for i, x := range all {
		names[i] = x.name
	}
	return names
}

// hidden tells whether a file is none that a person put there to be taken.
func hidden(name string) bool { return strings.HasPrefix(name, ".") }
