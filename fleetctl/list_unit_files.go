package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
)

// fileRow is one unit that is submitted.
type fileRow struct {
	api.Unit
	address string
}

func fileColumns() []column[fileRow] {
	return []column[fileRow]{
		{"unit", func(r fileRow, _ bool) string { return string(r.Name) }},
		{"global", func(r fileRow, _ bool) string { return strconv.FormatBool(r.Global) }},
		{"dstate", func(r fileRow, _ bool) string { return string(r.DesiredState) }},
		{"target", fileRow.target},
		{"tmachine", fileRow.target},
		{"state", func(r fileRow, _ bool) string {
			if r.Global {
				return ""
			}
			return string(r.CurrentState)
		}},
		{"hash", func(r fileRow, full bool) string { return shortHash(r.Hash, full) }},
		{"desc", func(r fileRow, _ bool) string { return description(r.Unit) }},
	}
}

func (r fileRow) target(full bool) string {
	switch {
	case r.Global:
		return "global"
	case r.MachineID == "":
		return ""
	}
	return place(r.MachineID, r.address, full)
}

// description is the last Description= of the unit's file.
func description(u api.Unit) string {
	for _, o := range slices.Backward(u.Options) {
		if o.Section == "Unit" && o.Name == "Description" {
			return u.Name.Expand(o.Value)
		}
	}
	return ""
}

func (a *app) listUnitFilesCommand() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list-unit-files",
		Short: "List the units of the cluster, and what is wanted of them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if slices.Contains(strings.Split(l.fields, ","), "tmachine") {
				a.complain(`WARNING: The "tmachine" field is deprecated. Use "target" instead`)
			}
			if a.structured() {
				return list(cmd.Context(), a, &l, nil, a.units)
			}
			return list(cmd.Context(), a, &l, fileColumns(), a.fileRows)
		},
	}
	registerListing(cmd, &l, fileColumns(), "unit,hash,dstate,state,target")
	return cmd
}

func (a *app) units(ctx context.Context, c *api.Client) ([]api.Unit, error) {
	all, err := c.Units(ctx)
	if err != nil {
		return nil, remote(fmt.Errorf("list units: %w", err))
	}
	slices.SortFunc(all, func(x, y api.Unit) int { return cmp.Compare(x.Name, y.Name) })
	return all, nil
}

func (a *app) fileRows(ctx context.Context, c *api.Client) ([]fileRow, error) {
	units, err := a.units(ctx, c)
	if err != nil {
		return nil, err
	}
	addresses, err := a.addresses(ctx, c)
	if err != nil {
		return nil, err
	}
	rows := make([]fileRow, len(units))
	for i, u := range units {
		rows[i] = fileRow{u, addresses[u.MachineID]}
	}
	return rows, nil
}
