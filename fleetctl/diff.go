package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/unit"
)

// difference is how a unit's local file differs from the one that the cluster has.
type difference struct {
	Name unit.Name `json:"name"`
	Path string    `json:"path"`           // of the local file
	Same bool      `json:"same"`           // byte for byte
	Diff string    `json:"diff,omitempty"` // unified; from the cluster's file to the local one
}

func (a *app) diffCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "diff UNIT|FILE...",
		Short: "Show how local unit files differ from those in the cluster",
		Long: `Show how local unit files differ from those in the cluster: what "fleetctl submit --replace" would change.
What is only in the cluster's file begins with -, what is only in the local one with +.

` + fileArgs + `

A local file whose unit the cluster does not have is shown as new. An instance without a file of
its own is compared with its local template.

The exit code is 0 if all files are the same byte for byte, and 1 if any differs; 3 if there is no
local file for a unit.`,
		Example: `  fleetctl diff web.service
  fleetctl diff units/ || fleetctl start --replace units/`,
		Args: needUnits,
		RunE: func(cmd *cobra.Command, args []string) error { return a.diff(cmd.Context(), args, name) },
	}
	registerName(cmd, &name)
	return cmd
}

func (a *app) diff(ctx context.Context, args []string, name string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := a.candidates(ctx, args, name, inCluster{c})
	if err != nil {
		return err
	}
	existing, err := lookUp(ctx, c, namesOfCandidates(all))
	if err != nil {
		return err
	}
	stored := make(map[unit.Name]api.Unit, len(existing))
	for _, u := range existing {
		stored[u.Name] = u
	}
	code := exitOK
	differences := make([]difference, 0, len(all))
	for _, x := range all {
		if u, exists := stored[x.name]; exists {
			x.existing = &u
		}
		d, err := a.compare(ctx, c, x)
		if err != nil {
			f := faultOf(err)
			if f.code == exitUnreachable {
				return f
			}
			a.complain("%v", f.err)
			code = worse(code, f.code)
			continue
		}
		differences = append(differences, d)
		if !d.Same {
			code = worse(code, exitError)
		}
		if !a.structured() {
			a.showDiff(d.Diff)
		}
	}
	if a.structured() {
		if err := entities(a, differences); err != nil {
			return err
		}
	}
	return ended(code)
}

// compare compares a local file with the cluster's, of which it asks for no more than it needs.
func (a *app) compare(ctx context.Context, c *api.Client, x *candidate) (difference, error) {
	path, local, err := x.local()
	d := difference{Name: x.name, Path: path}
	switch {
	case err != nil:
		return d, err
	case local == nil && x.existing == nil:
		return d, &fault{exitNotFound, fmt.Errorf("unit %s does not exist, and there is no file %s", x.name, x.path)}
	case local == nil:
		return d, &fault{exitNotFound, fmt.Errorf("unit %s: there is no file %s to compare it with", x.name, x.path)}
	}
	if x.existing == nil {
		d.Diff = unified("/dev/null", nil, path, local)
		return d, nil
	}
	if d.Same = unit.IDOf(local) == x.existing.Content; d.Same {
		return d, nil
	}
	raw, err := c.File(ctx, x.name)
	if errors.Is(err, api.ErrNotFound) {
		err = fmt.Errorf("%w: somebody has just destroyed it", err)
	}
	if err != nil {
		return d, remote(fmt.Errorf("get the file of %s: %w", x.name, err))
	}
	d.Diff = unified("cluster/"+string(x.name), raw, path, local)
	d.Same = d.Diff == ""
	return d, nil
}

// unified is the diff of two files; empty if they are the same.
func unified(oldPath string, before []byte, newPath string, after []byte) string {
	_, text, _ := strings.Cut(string(diff.Diff(oldPath, before, newPath, after)), "\n") // the first line is the call of a program
	return text
}

// showDiff writes a diff as git does.
func (a *app) showDiff(text string) {
	heading := true
	for line := range strings.Lines(text) {
		s := plain
		switch {
		case strings.HasPrefix(line, "@@"):
			s, heading = faint, false
		case heading:
			s = bold
		case strings.HasPrefix(line, "-"):
			s = red
		case strings.HasPrefix(line, "+"):
			s = green
		}
		fmt.Fprintln(a.stdout, a.paint(a.stdout, s, strings.TrimSuffix(line, "\n")))
	}
}
