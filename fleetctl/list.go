package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// lister is a list command: what it lists, and how that is shown.
type lister[T any] struct {
	things         string // what is listed, in the plural
	columns        []column[T]
	defaults, wide string // fields
	rows           func(context.Context, *api.Client) ([]T, error)
	entity         func(T) any // the API's
}

// listing is the flags of every list command.
type listing struct {
	full     bool
	noLegend bool
	fields   string
	sort     string
}

func registerListing[T any](cmd *cobra.Command, l *listing, x lister[T]) {
	flags := cmd.Flags()
	flags.BoolVarP(&l.full, "full", "l", false, "do not shorten ids, hashes and what is wider than the terminal; times as in RFC 3339")
	flags.BoolVar(&l.noLegend, "no-legend", false, "do not print a header")
	flags.StringVar(&l.fields, "fields", x.defaults, "`COLUMNS` to print, of "+columnNames(x.columns))
	names := strings.Split(columnNames(x.columns), ",")
	listOf(flags, "fields", names...)
	flags.StringVar(&l.sort, "sort", "", "`COLUMN` to sort by, whether it is printed or not; backwards with a \"-\" before its name")
	values(flags, "sort", names...)
}

// list carries out a list command. Mistakes in its flags are found before the cluster is asked.
func list[T any](cmd *cobra.Command, a *app, l *listing, x lister[T]) error {
	fields := l.fields
	switch chosen := cmd.Flags().Changed("fields"); {
	case chosen && a.structured():
		return usage(fmt.Errorf("--fields is for tables; with --output %s the fields are those of the API", a.output.form))
	case !chosen && a.wide():
		fields = x.wide
	}
	picked, err := pick(fields, x.columns)
	if err != nil {
		return err
	}
	if err := sortRows[T](nil, x.columns, l.sort); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	rows, err := x.rows(cmd.Context(), c)
	if err != nil {
		return err
	}
	if err := sortRows(rows, x.columns, l.sort); err != nil {
		return err
	}
	if a.structured() {
		all := make([]any, len(rows))
		for i, r := range rows {
			all[i] = x.entity(r)
		}
		return entities(a, all)
	}
	if _, watched := terminalWidth(a.stdout); watched && len(rows) == 0 {
		a.complain("0 %s listed.", x.things)
		return nil
	}
	return a.writeGrid(a.stdout, grid(picked, rows, shape{l.full, time.Now()}, !l.noLegend), !l.full)
}

const selectorUsage = "only machines, or units on machines, whose metadata meet this `REQUIREMENT`, written as in MachineMetadata=: disk=ssd, 'zone in (a, b)', '!gpu'; several have to be met together"

// filters are the flags that leave units out of a list.
type filters struct {
	states, desired     []string
	machines, selectors []string
}

func (f *filters) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringSliceVar(&f.states, "state", nil, "only units in this `STATE` of systemd's (load, active or sub), such as failed or running; several are alternatives")
	listOf(flags, "state", "active", "activating", "deactivating", "failed", "inactive", "running", "exited", "dead")
	flags.StringSliceVar(&f.desired, "desired", nil, "only units that are wanted so: `STATE` is inactive, loaded or launched")
	listOf(flags, "desired", "inactive", "loaded", "launched")
	flags.StringSliceVar(&f.machines, "machine", nil, "only units on this `MACHINE`, an id or the beginning of one; several are alternatives")
	flags.StringArrayVar(&f.selectors, "selector", nil, selectorUsage)
}

// check finds mistakes before the cluster is asked. own are fleet's words for states, besides systemd's.
func (f *filters) check(own ...string) error {
	if err := checkStates(f.states, own); err != nil {
		return err
	}
	for _, d := range f.desired {
		if _, err := cluster.ParseDesiredState(d); err != nil {
			return usage(fmt.Errorf("--desired %q: expect inactive, loaded or launched", d))
		}
	}
	_, err := demands(f.selectors)
	return err
}

// options ask for what is left by all but --state, whose words may be of any of systemd's three states, and of fleet's.
func (f *filters) options(s sought, present []api.Machine) (api.ListOptions, error) {
	o := s.options()
	o.Selector = f.selectors
	for _, d := range f.desired {
		o.Desired = append(o.Desired, cluster.DesiredState(d))
	}
	machines, err := findMachines(present, f.machines)
	for _, m := range machines {
		o.Machines = append(o.Machines, m.ID)
	}
	return o, err
}

// sought is what the arguments of a list command, names or patterns, leave in. None leave all.
type sought struct {
	names []unit.Name
	globs []unit.Glob
}

func (a *app) seek(args []string) (sought, error) {
	var s sought
	if len(args) == 0 {
		return s, nil
	}
	args, err := a.arguments(args)
	if err != nil {
		return s, err
	}
	for _, arg := range args {
		if isGlob(arg) {
			globs, err := parseGlob(arg)
			if err != nil {
				return s, err
			}
			s.globs = append(s.globs, globs...)
			continue
		}
		name, err := parseName(arg)
		if err != nil {
			return s, err
		}
		s.names = append(s.names, name)
	}
	return s, nil
}

// options leave most of the rest on the server. has picks again, because a server that does not know all of
// the options sends more, and because many names would make too long a URL.
func (s sought) options() api.ListOptions {
	if s.tooMany() {
		return api.ListOptions{}
	}
	return api.ListOptions{Names: s.names, Globs: s.globs}
}

// tooMany tells whether a URL would be too long with all of them.
func (s sought) tooMany() bool { return len(s.names)+len(s.globs) > maxNames }

func (s sought) has(name unit.Name) bool {
	return len(s.names)+len(s.globs) == 0 || slices.Contains(s.names, name) ||
		slices.ContainsFunc(s.globs, func(g unit.Glob) bool { return g.Match(name) })
}

// demands reads what --selector asks of the metadata of a machine.
func demands(selectors []string) (func(api.Machine) bool, error) {
	requirements := make([]unit.Requirement, len(selectors))
	for i, text := range selectors {
		r, err := unit.ParseRequirement(text)
		if err != nil {
			return nil, usage(fmt.Errorf("--selector: %w", err))
		}
		requirements[i] = r
	}
	return func(m api.Machine) bool {
		return !slices.ContainsFunc(requirements, func(r unit.Requirement) bool { return !r.Match(m.Metadata) })
	}, nil
}

// inState tells whether --state leaves in what is in these states.
func (f *filters) inState(states ...string) bool {
	return len(f.states) == 0 || slices.ContainsFunc(states, func(s string) bool { return slices.Contains(f.states, s) })
}

// stateStyle is how systemd's active state is shown.
func stateStyle(active string) style {
	switch active {
	case "failed":
		return red
	case "active":
		return green
	case "activating", "deactivating", "reloading":
		return yellow
	}
	return plain
}

// compareTimes puts what is not known last.
func compareTimes(x, y time.Time) int {
	switch {
	case x.IsZero() == y.IsZero():
		return x.Compare(y)
	case x.IsZero():
		return 1
	}
	return -1
}
