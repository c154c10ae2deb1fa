package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func (a *app) exportCommand() *cobra.Command {
	var overwrite bool
	cmd := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the whole cluster into a directory",
		Long: `Write every unit file, byte for byte, to DIR/NAME, and to DIR/` + stateFile + ` which state is wanted of each
unit and what operators have laid over machines (metadata, capacity, cordons). Where units are
is not written, nor which machines are drained. "fleetctl import" makes a cluster of it again.

DIR is made if there is none. One that is not empty is refused, hidden files apart, unless
--overwrite is given: then files are replaced, unit files that an earlier export has written and that
are no longer in the cluster are removed, and everything else is left alone.`,
		Example: `  fleetctl export backup/
  fleetctl export --overwrite units/ && git -C units commit -a -m "what runs"`,
		Args: needDirectory,
		RunE: func(cmd *cobra.Command, args []string) error { return a.export(cmd.Context(), args[0], overwrite) },
	}
	cmd.Flags().BoolVar(&overwrite, "overwrite", false, "write into a directory that is not empty")
	return cmd
}

func needDirectory(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("expect one directory")
	}
	return nil
}

// exported is one unit file of an export.
type exported struct {
	Name         unit.Name            `json:"name"`
	Path         string               `json:"path"`
	DesiredState cluster.DesiredState `json:"desiredState"`
	Written      bool                 `json:"written"` // it was not there already, byte for byte

	raw []byte
}

func (a *app) export(ctx context.Context, dir string, overwrite bool) error {
	before, err := exportedBefore(dir, overwrite)
	if err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	all, unreadable, err := a.download(ctx, c)
	if err != nil {
		return err
	}
	state := savedState{Format: stateFormat, Units: make(map[unit.Name]savedUnit), Machines: make(map[cluster.MachineID]savedMachine)}
	for _, name := range unreadable {
		if u, had := before.Units[name]; had {
			state.Units[name] = u // its file, the last that could be read, stays too
		}
	}
	for _, e := range all {
		state.Units[e.Name] = savedUnit{e.DesiredState}
	}
	settings, err := c.Settings(ctx)
	if err != nil {
		return remote(fmt.Errorf("list the settings of machines: %w", err))
	}
	code := exitOK
	if len(unreadable) > 0 {
		code = exitError
	}
	for _, s := range settings {
		if s.Error != "" {
			a.complain("Machine %s: its settings cannot be read (%s), and are not exported", s.MachineID, s.Error)
			code = exitError
			continue
		}
		state.Machines[s.MachineID] = saveMachine(s)
	}
	removed, err := writeExport(dir, all, state, before)
	if err != nil {
		return &fault{exitError, err}
	}
	written := 0
	for _, e := range all {
		if e.Written {
			written++
		}
	}
	a.say("Exported %s (%d written, %d as before, %d removed) and the settings of %s to %s",
		count(len(all), "unit"), written, len(all)-written, removed, count(len(state.Machines), "machine"), dir)
	if a.structured() {
		if err := entities(a, all); err != nil {
			return err
		}
	}
	return ended(code)
}

// exportedBefore reads what an earlier export has left in a directory, if anything may be written to it.
func exportedBefore(dir string, overwrite bool) (savedState, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return savedState{}, &fault{exitError, fmt.Errorf("export to %s: %w", dir, err)}
	}
	visible := slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !hidden(e.Name()) })
	if visible && !overwrite {
		return savedState{}, &fault{exitRefused, fmt.Errorf("%s is not empty; with --overwrite it is brought up to date", dir)}
	}
	state, err := readState(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return savedState{}, &fault{exitError, fmt.Errorf("export to %s: %w", dir, err)}
	}
	return state, nil
}

// download gets all units with their files; files that are the same are got once.
func (a *app) download(ctx context.Context, c *api.Client) (all []*exported, unreadable []unit.Name, err error) {
	units, err := c.UnitsWith(ctx, api.ListOptions{Fields: []string{"name", "desiredState", "content", "error"}})
	if err != nil {
		return nil, nil, remote(fmt.Errorf("list units: %w", err))
	}
	groups := make(map[unit.ContentID][]*exported)
	for _, u := range units {
		if u.Error != "" {
			a.complain("Unit %s: its record cannot be read (%s), and is not exported", u.Name, u.Error)
			unreadable = append(unreadable, u.Name)
			continue
		}
		e := &exported{Name: u.Name, DesiredState: u.DesiredState}
		all = append(all, e)
		groups[u.Content] = append(groups[u.Content], e)
	}
	var mu sync.Mutex
	var gone []*exported
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for content, same := range groups {
		group.Go(func() error {
			raw, err := c.File(ctx, same[0].Name)
			if err == nil && unit.IDOf(raw) == content {
				for _, e := range same {
					e.raw = raw
				}
				return nil
			}
			for _, e := range same { // somebody has changed the first, and perhaps others
				u, raw, err := current(ctx, c, e.Name)
				switch {
				case errors.Is(err, api.ErrNotFound) || err != nil && faultOf(err).code == exitNotFound:
					mu.Lock()
					gone = append(gone, e)
					mu.Unlock()
				case err != nil:
					return err
				default:
					e.raw, e.DesiredState = raw, u.DesiredState
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return slices.DeleteFunc(all, func(e *exported) bool { return slices.Contains(gone, e) }), unreadable, nil
}

// writeExport puts the unit files in their places, then the state file, and then removes what the export before had and this one
// has not: whenever it is interrupted, the state file speaks of no file that is not there. What cannot be written at all, on a
// disk that is full say, is found out before any file is in its place.
func writeExport(dir string, all []*exported, state, before savedState) (removed int, err error) {
	raw, err := encodeJSON(state, "  ")
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("export to %s: %w", dir, err)
	}
	s, err := newStaging(dir)
	if err != nil {
		return 0, fmt.Errorf("export to %s: %w", dir, err)
	}
	defer s.remove()
	for _, e := range all {
		e.Path = filepath.Join(dir, string(e.Name))
		if e.Written, err = s.write(string(e.Name), e.raw); err != nil {
			return 0, fmt.Errorf("export unit %s: %w; nothing in %s was changed", e.Name, err, dir)
		}
	}
	if _, err := s.write(stateFile, raw); err != nil {
		return 0, fmt.Errorf("export to %s: %w; nothing there was changed", dir, err)
	}
	if placed, err := s.place(); err != nil {
		return 0, fmt.Errorf("export to %s: %w; %d of %s are in place, and --overwrite brings the rest", dir, err, placed, count(len(s.names), "file"))
	}
	for name := range before.Units {
		if _, err := unit.ParseName(string(name)); err != nil {
			continue // nothing that an export has written
		}
		if _, still := state.Units[name]; still {
			continue
		}
		err := os.Remove(filepath.Join(dir, string(name)))
		switch {
		case err == nil:
			removed++
		case !errors.Is(err, fs.ErrNotExist):
			return removed, fmt.Errorf("remove what is no longer in the cluster: %w", err)
		}
	}
	return removed, nil
}
