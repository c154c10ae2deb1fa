package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"fleet/api"
)

// unitRow is one unit on one machine.
type unitRow struct {
	api.UnitState
	address string
}

func unitColumns() []column[unitRow] {
	return []column[unitRow]{
		{"unit", func(r unitRow, _ bool) string { return string(r.Name) }},
		{"load", func(r unitRow, _ bool) string { return r.SystemdLoadState }},
		{"active", func(r unitRow, _ bool) string { return r.SystemdActiveState }},
		{"sub", func(r unitRow, _ bool) string { return r.SystemdSubState }},
		{"machine", func(r unitRow, full bool) string {
			if r.MachineID == "" {
				return ""
			}
			return place(r.MachineID, r.address, full)
		}},
		{"hash", func(r unitRow, full bool) string { return shortHash(r.Hash, full) }},
	}
}

func (a *app) listUnitsCommand() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list-units",
		Short: "List what machines report about their units",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.structured() {
				return list(cmd.Context(), a, &l, nil, a.states)
			}
			return list(cmd.Context(), a, &l, unitColumns(), a.unitRows)
		},
	}
	registerListing(cmd, &l, unitColumns(), "unit,machine,active,sub")
	return cmd
}

// list prints what get returns, as JSON or in the columns chosen.
func list[T any](ctx context.Context, a *app, l *listing, columns []column[T], get func(context.Context, *api.Client) ([]T, error)) error {
	var picked []column[T]
	if !a.structured() {
		var err error
		if picked, err = pick(l, columns); err != nil {
			return err
		}
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	rows, err := get(ctx, c)
	if err != nil {
		return err
	}
	if a.structured() {
		return entities(a, rows)
	}
	return table(a, l, picked, rows)
}

func (a *app) states(ctx context.Context, c *api.Client) ([]api.UnitState, error) {
	all, err := c.States(ctx)
	if err != nil {
		return nil, remote(fmt.Errorf("list unit states: %w", err))
	}
	slices.SortFunc(all, func(x, y api.UnitState) int {
		return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.MachineID, y.MachineID))
	})
	return all, nil
}

func (a *app) unitRows(ctx context.Context, c *api.Client) ([]unitRow, error) {
	states, err := a.states(ctx, c)
	if err != nil {
		return nil, err
	}
	addresses, err := a.addresses(ctx, c)
	if err != nil {
		return nil, err
	}
	rows := make([]unitRow, len(states))
	for i, s := range states {
		rows[i] = unitRow{s, addresses[s.MachineID]}
	}
	return rows, nil
}
