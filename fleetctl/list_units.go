package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

// unitRow is one unit on one machine.
type unitRow struct {
	api.UnitState
	address string
}

func unitColumns() []column[unitRow] {
	active := func(r unitRow) style {
		if r.Silent {
			return yellow // not as fresh as it looks
		}
		return stateStyle(r.SystemdActiveState)
	}
	return []column[unitRow]{
		{name: "unit", cell: text(func(r unitRow) string { return string(r.Name) }), style: func(r unitRow) style {
			if r.SystemdActiveState == "failed" {
				return red
			}
			return plain
		}},
		{name: "load", cell: text(func(r unitRow) string { return r.SystemdLoadState }), style: func(r unitRow) style {
			if r.SystemdLoadState != "loaded" {
				return red
			}
			return plain
		}},
		{name: "active", cell: text(func(r unitRow) string { return r.SystemdActiveState }), style: active},
		{name: "sub", cell: text(func(r unitRow) string { return r.SystemdSubState }), style: active},
		{name: "machine", cell: func(r unitRow, s shape) string {
			if r.MachineID == "" {
				return ""
			}
			return place(r.MachineID, r.address, s.full)
		}},
		{name: "hash", cell: func(r unitRow, s shape) string { return shortHash(r.Hash, s.full) }},
		{
			name:  "since",
			cell:  func(r unitRow, s shape) string { return moment(r.StateSince, s.now, s.full) },
			order: func(x, y unitRow) int { return compareTimes(x.StateSince, y.StateSince) },
		},
		{
			name:  "observed",
			cell:  func(r unitRow, s shape) string { return moment(r.ObservedAt, s.now, s.full) },
			order: func(x, y unitRow) int { return compareTimes(x.ObservedAt, y.ObservedAt) },
		},
		{
			name:  "restarts",
			cell:  text(func(r unitRow) string { return fmt.Sprint(r.Restarts) }),
			order: func(x, y unitRow) int { return cmp.Compare(x.Restarts, y.Restarts) },
		},
		{name: "result", cell: text(func(r unitRow) string { return r.Result })},
		{name: "reason", cell: text(func(r unitRow) string { return cmp.Or(r.Error, r.Reason) })},
	}
}

func (a *app) listUnitsCommand() *cobra.Command {
	var (
		l listing
		f filters
	)
	x := lister[unitRow]{
		things:   "units",
		columns:  unitColumns(),
		defaults: "unit,machine,active,sub",
		wide:     "unit,machine,load,active,sub,since,restarts,result,reason",
		entity:   func(r unitRow) any { return r.UnitState },
	}
	cmd := &cobra.Command{
		Use:   "list-units [UNIT...]",
		Short: "List what machines report about their units",
		Long: `List what machines report about their units: one line for each unit on each machine that has it. A unit
without a machine is not among them; list-unit-files has it, and explain says why.

` + unitArgs + ` Without any UNIT, all units are listed. A list in which nothing is left is no failure.

What is listed of a machine that is silent is what it said last, and a line on stderr says so; the column "observed" has since when.

With --output wide there are besides: since when the unit is in its state, how often systemd has restarted
it by itself, how it ended last, and why it is on this machine of all.`,
		Example: `  fleetctl list-units
  fleetctl list-units 'web@*' --state failed
  fleetctl list-units --machine 1234abcd -o wide --sort -since
  fleetctl list-units --selector 'zone in (a, b)' --fields unit,sub --no-legend`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.seek(args)
			if err != nil {
				return err
			}
			if err := f.check(); err != nil {
				return err
			}
			x.rows = func(ctx context.Context, c *api.Client) ([]unitRow, error) {
				return a.unitRows(ctx, c, &f, s)
			}
			return list(cmd, a, &l, x)
		},
	}
	registerListing(cmd, &l, x)
	f.register(cmd)
	return cmd
}

func (a *app) unitRows(ctx context.Context, c *api.Client, f *filters, wanted sought) ([]unitRow, error) {
	machines, err := a.machines(ctx, c)
	if err != nil {
		return nil, err
	}
	o, err := f.options(wanted, machines)
	if err != nil {
		return nil, err
	}
	states, err := c.StatesWith(ctx, o)
	if err != nil {
		return nil, remote(fmt.Errorf("list unit states: %w", err))
	}
	rest, err := f.sieve(ctx, c, machines, o)
	if err != nil {
		return nil, err
	}
	addresses := addressesOf(machines)
	var rows []unitRow
	for _, s := range states {
		if !wanted.has(s.Name) || !rest.hasState(s) || !f.inState(s.SystemdLoadState, s.SystemdActiveState, s.SystemdSubState) {
			continue
		}
		rows = append(rows, unitRow{s, addresses[s.MachineID]})
	}
	slices.SortFunc(rows, func(x, y unitRow) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.MachineID, y.MachineID))
	})
	a.noteSilent(rows)
	return rows, nil
}

// noteSilent says which states are not as fresh as they look.
func (a *app) noteSilent(rows []unitRow) {
	now := time.Now()
	units := make(map[cluster.MachineID]int)
	last := make(map[cluster.MachineID]unitRow)
	for _, r := range rows {
		if r.Silent {
			units[r.MachineID]++
			last[r.MachineID] = r
		}
	}
	for _, id := range slices.Sorted(maps.Keys(units)) {
		r := last[id]
		a.note("machine %s is silent%s: what is listed of %s there was so %s ago", place(id, r.address, false), sinceWords(r.AwaySince, now),
			count(units[id], "unit"), ago(now.Sub(r.ObservedAt)))
	}
}
