package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func machineColumns() []column[api.Machine] {
	return []column[api.Machine]{
		{"machine", func(m api.Machine, full bool) string { return place(m.ID, "", full) }},
		{"ip", func(m api.Machine, _ bool) string { return m.PrimaryIP }},
		{"metadata", func(m api.Machine, _ bool) string {
			var pairs []string
			for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
				pairs = append(pairs, key+"="+m.Metadata[key])
			}
			return strings.Join(pairs, ",")
		}},
		{"units", func(m api.Machine, _ bool) string { return fmt.Sprint(m.Units) }},
		{"state", func(m api.Machine, _ bool) string { return machineState(m) }},
		{"capacity", func(m api.Machine, full bool) string {
			if m.Capacity == nil {
				return ""
			}
			return amounts(m.Capacity.Resources, m.Capacity.MaxUnits, full)
		}},
		{"reserved", func(m api.Machine, full bool) string {
			if m.Reserved == nil {
				return ""
			}
			return amounts(*m.Reserved, 0, full)
		}},
		{"version", func(m api.Machine, _ bool) string { return m.Version }},
	}
}

// machineState is what an operator has to know of a machine before all else.
func machineState(m api.Machine) string {
	switch {
	case m.Error != "":
		return "unreadable"
	case m.Cordoned:
		return "cordoned"
	}
	return "ready"
}

// amounts are resources in one cell: "memory=16G,cpu=8,gpu=2,units=100".
func amounts(r api.Resources, units int, exact bool) string {
	format := roughly
	if exact {
		format = unit.FormatAmount
	}
	var parts []string
	add := func(resource string, amount int64) {
		if amount != 0 {
			parts = append(parts, resource+"="+format(resource, amount))
		}
	}
	add(unit.Memory, r.Memory)
	add(unit.CPU, r.CPU)
	add(unit.Disk, r.Disk)
	for _, name := range slices.Sorted(maps.Keys(r.Named)) {
		add(name, r.Named[name])
	}
	add(unit.Slots, int64(units))
	return strings.Join(parts, ",")
}

func (a *app) listMachinesCommand() *cobra.Command {
	var l listing
	cmd := &cobra.Command{
		Use:   "list-machines",
		Short: "List the machines that are present",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return list(cmd.Context(), a, &l, machineColumns(), a.machines)
		},
	}
	registerListing(cmd, &l, machineColumns(), "machine,ip,metadata")
	return cmd
}

func (a *app) machines(ctx context.Context, c *api.Client) ([]api.Machine, error) {
	all, err := c.Machines(ctx)
	if err != nil {
		return nil, remote(fmt.Errorf("list machines: %w", err))
	}
	slices.SortFunc(all, func(x, y api.Machine) int { return cmp.Compare(x.ID, y.ID) })
	return all, nil
}

// addresses are where the machines that are present can be reached.
func (a *app) addresses(ctx context.Context, c *api.Client) (map[cluster.MachineID]string, error) {
	all, err := a.machines(ctx, c)
	addresses := make(map[cluster.MachineID]string, len(all))
	for _, m := range all {
		addresses[m.ID] = m.PrimaryIP
	}
	return addresses, err
}
