package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// importing is the flags of import.
type importing struct {
	prune, yes bool
	unverified bool // --no-verify
}

func (a *app) importCommand() *cobra.Command {
	var w waiting
	var i importing
	cmd := &cobra.Command{
		Use:   "import DIR",
		Short: "Make the cluster what a directory says that was exported",
		Long: `Make the cluster what DIR says, which "fleetctl export" has written: submit the units that are not
there, replace files that differ, want of every unit the state that DIR/` + stateFile + ` says, lay the same
settings over machines; and wait for the units as after start. What is like that already is not touched:
a second import does nothing.

A unit file in DIR that ` + stateFile + ` does not name is submitted too, and is left in whatever state the unit
is. Units that are not in DIR stay as they are, unless --prune is given: then they are destroyed. Settings
of machines that DIR does not name stay as they are; so does metadata of the others that DIR does not name.

All files are read and checked before anything is sent. What would change is shown first. If something that
runs would be replaced, stopped or displaced there is a question; without a terminal this is
refused (exit code 7) unless --yes is given.

` + refusalArgs,
		Example: `  fleetctl export backup/ && fleetctl --endpoint http://other:49153 import backup/
  git -C units pull && fleetctl import --prune --yes units/`,
		Args: needDirectory,
		RunE: func(cmd *cobra.Command, args []string) error { return a.importDir(cmd, args[0], &w, i) },
	}
	registerYes(cmd, &i.yes)
	registerNoVerify(cmd, &i.unverified)
	cmd.Flags().BoolVar(&i.prune, "prune", false, "destroy units that are not in DIR")
	w.register(cmd)
	return cmd
}

func (a *app) importDir(cmd *cobra.Command, dir string, w *waiting, i importing) error {
	ctx := cmd.Context()
	in, err := a.readImport(dir)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	units, err := c.Units(ctx)
	if err != nil {
		return remote(fmt.Errorf("list units: %w", err))
	}
	settings, err := c.Settings(ctx)
	if err != nil {
		return remote(fmt.Errorf("list the settings of machines: %w", err))
	}
	p := newImportPlan(in, units, settings, i.prune)
	if len(p.orders)+len(p.overlays) == 0 {
		a.say("Nothing to change: the cluster is what %s says", dir)
		return a.showUnits(nil, nil)
	}
	if !i.unverified {
		if err := a.spareImported(ctx, in, p); err != nil {
			return err
		}
	}
	if err := a.reviewImport(ctx, c, p, i.yes); err != nil {
		return err
	}
	for _, o := range p.overlays { // first, as they say where units may be
		if err := c.Lay(ctx, o.settings, o.reset...); err != nil {
			return remote(fmt.Errorf("lay settings over machine %s: %w", o.settings.MachineID, err))
		}
		a.say("Settings of machine %s changed", o.settings.MachineID)
	}
	return a.carryOut(cmd, c, w, p.orders)
}

// imported is what a directory says, without mistakes.
type imported struct {
	units    []*candidate // by name
	desired  map[unit.Name]cluster.DesiredState
	machines []api.MachineSettings // by id
}

// readImport reads everything in a directory and tells all that is wrong with it.
func (a *app) readImport(dir string) (imported, error) {
	state, err := readState(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return imported{}, &fault{exitNotFound, fmt.Errorf("%s has no %s: it was not written by fleetctl export; use start or submit for a directory of unit files", dir, stateFile)}
	}
	if err != nil {
		return imported{}, &fault{exitError, err}
	}
	in := imported{desired: make(map[unit.Name]cluster.DesiredState)}
	var mistakes []error
	wrong := func(format string, args ...any) { mistakes = append(mistakes, fmt.Errorf(format, args...)) }
	paths := make(map[string]bool)
	for name, u := range state.Units {
		_, err := unit.ParseName(string(name))
		if err != nil {
			wrong("%s: %w", filepath.Join(dir, stateFile), err)
			continue
		}
		if _, err := cluster.ParseDesiredState(string(u.DesiredState)); err != nil {
			wrong("%s: unit %s: %w", filepath.Join(dir, stateFile), name, err)
			continue
		}
		if name.IsTemplate() && u.DesiredState != cluster.Inactive {
			wrong("%s: template %s cannot be %s", filepath.Join(dir, stateFile), name, u.DesiredState)
			continue
		}
		in.desired[name] = u.DesiredState
		paths[filepath.Join(dir, string(name))] = true
	}
	if more, err := a.unitFiles(dir); err == nil {
		for _, path := range more {
			paths[path] = true
		}
	} else if f := faultOf(err); f.code != exitNotFound { // an empty cluster has none
		return in, f
	}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		x, err := readImported(path)
		if err != nil {
			wrong("%w", err)
			continue
		}
		in.units = append(in.units, x)
	}
	for _, id := range slices.Sorted(maps.Keys(state.Machines)) {
		s, err := state.Machines[id].settings(id)
		if err != nil {
			wrong("%s: %w", filepath.Join(dir, stateFile), err)
			continue
		}
		in.machines = append(in.machines, s)
	}
	if len(mistakes) == 0 {
		return in, nil
	}
	for _, m := range mistakes {
		a.complain("%v", m)
	}
	a.complain("Nothing was sent.")
	return in, ended(exitError)
}

func readImported(path string) (*candidate, error) {
	name, err := unit.ParseName(filepath.Base(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err // it names the path
	}
	x := &candidate{name: name, path: path, raw: raw, origin: path}
	return x, x.check()
}

// reviewImport shows what an import would change, and asks if that is something that runs.
func (a *app) reviewImport(ctx context.Context, c *api.Client, p importPlan, yes bool) error {
	plan := api.Plan{}
	if asked := p.asked(); len(asked) > 0 {
		var err error
		if plan, err = c.Plan(ctx, asked); err != nil {
			return remote(fmt.Errorf("plan for %s: %w", count(len(asked), "unit"), err))
		}
	}
	for _, o := range p.overlays {
		a.say("~ machine %s  settings would change: %s", o.settings.MachineID.Short(), o.words())
	}
	for _, text := range p.words {
		a.say("%s", text)
	}
	disturbed, err := a.disturbed(ctx, c, plan, p.known)
	if err != nil {
		return err
	}
	if others := p.others(plan); len(others.Steps) > 0 {
		addresses, err := a.addresses(ctx, c)
		if err != nil {
			return err
		}
		a.showSteps(others, addresses)
	}
	for _, name := range append(p.stopped(), p.onChangedMachines()...) {
		if !slices.Contains(disturbed, name) {
			disturbed = append(disturbed, name)
		}
	}
	if len(disturbed) == 0 || yes {
		return nil
	}
	slices.Sort(disturbed)
	return a.agree(ctx, wouldChange(disturbed))
}
