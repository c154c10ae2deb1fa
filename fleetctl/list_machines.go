package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func machineColumns() []column[api.Machine] {
	return []column[api.Machine]{
		{name: "machine", cell: func(m api.Machine, s shape) string { return place(m.ID, "", s.full) }},
		{
			name: "ip",
			cell: text(func(m api.Machine) string { return m.PrimaryIP }),
			order: func(x, y api.Machine) int {
				a, _ := netip.ParseAddr(x.PrimaryIP) // what is no address comes first
				b, _ := netip.ParseAddr(y.PrimaryIP)
				return cmp.Or(a.Compare(b), cmp.Compare(x.PrimaryIP, y.PrimaryIP))
			},
		},
		{name: "metadata", cell: text(metadataWords)},
		{
			name:  "units",
			cell:  text(func(m api.Machine) string { return fmt.Sprint(m.Units) }),
			order: func(x, y api.Machine) int { return cmp.Compare(x.Units, y.Units) },
		},
		{name: "state", cell: text(machineState), style: machineStyle},
		{
			name: "capacity",
			cell: func(m api.Machine, s shape) string {
				if m.Capacity == nil {
					return ""
				}
				return amounts(m.Capacity.Resources, m.Capacity.MaxUnits, s.full)
			},
			order: func(x, y api.Machine) int { return compareResources(capacityOf(x), capacityOf(y)) },
		},
		{
			name: "reserved",
			cell: func(m api.Machine, s shape) string {
				if m.Reserved == nil {
					return ""
				}
				return amounts(*m.Reserved, 0, s.full)
			},
			order: func(x, y api.Machine) int { return compareResources(reservedOf(x), reservedOf(y)) },
		},
		{name: "version", cell: text(func(m api.Machine) string { return m.Version })},
		{
			name:  "since",
			cell:  func(m api.Machine, s shape) string { return moment(inStateSince(m), s.now, s.full) },
			order: func(x, y api.Machine) int { return compareTimes(inStateSince(x), inStateSince(y)) },
		},
		{name: "fence", cell: text(func(m api.Machine) string { return fenceWords(m.Fence) })},
	}
}

func capacityOf(m api.Machine) api.Resources {
	if m.Capacity == nil {
		return api.Resources{}
	}
	return m.Capacity.Resources
}

func reservedOf(m api.Machine) api.Resources {
	if m.Reserved == nil {
		return api.Resources{}
	}
	return *m.Reserved
}

// compareResources goes by memory first, which machines run out of first.
func compareResources(x, y api.Resources) int {
	return cmp.Or(cmp.Compare(x.Memory, y.Memory), cmp.Compare(x.CPU, y.CPU), cmp.Compare(x.Disk, y.Disk))
}

func metadataWords(m api.Machine) string {
	var pairs []string
	for _, key := range slices.Sorted(maps.Keys(m.Metadata)) {
		pairs = append(pairs, key+"="+m.Metadata[key])
	}
	return strings.Join(pairs, ",")
}

// amounts are resources in one cell: "memory=16G,cpu=8,gpu=2,units=100".
func amounts(r api.Resources, units int, exact bool) string {
	format := unit.Roughly
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
	var (
		l                 listing
		absent            bool
		states, selectors []string
	)
	x := lister[api.Machine]{
		things:   "machines",
		columns:  machineColumns(),
		defaults: "machine,ip,metadata",
		wide:     "machine,ip,metadata,units,state,capacity,reserved,version,since",
		entity:   func(m api.Machine) any { return m },
	}
	cmd := &cobra.Command{
		Use:   "list-machines [MACHINE...]",
		Short: "List the machines that are present",
		Long: `List the machines that are present, and with --all those that are gone and still known: lost, or left.

` + machineArgs + ` Without any, all machines are listed.

With --output wide there are besides: how many units the machine is ordered to have, its state, what it offers to units
and how much of that is reserved by those that it has, the version of its fleetd, and since when it has been in its
state. States are, the first of these from below that is true:

` + machineStateHelp + `

When a machine is lost or silent, or an alarm stands, a line on stderr says so, whatever is listed.`,
		Example: `  fleetctl list-machines -o wide
  fleetctl list-machines --all --fields machine,state,since
  fleetctl list-machines --selector disk=ssd --state ready --sort -reserved`,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range states {
				if !slices.Contains(machineStates, s) {
					return usage(fmt.Errorf("--state %q: expect %s", s, strings.Join(machineStates, ", ")))
				}
			}
			meets, err := demands(selectors)
			if err != nil {
				return err
			}
			ofAbsent := slices.ContainsFunc(states, func(s string) bool { return isAway(api.Machine{State: cluster.MachineState(s)}) })
			if absent = absent || ofAbsent; absent && !cmd.Flags().Changed("fields") {
				l.fields = x.defaults + ",state,since"
			}
			x.rows = func(ctx context.Context, c *api.Client) ([]api.Machine, error) {
				all, err := a.knownMachines(ctx, c)
				if err != nil {
					return nil, err
				}
				a.noteMachines(ctx, c, all)
				if !absent {
					all = slices.DeleteFunc(all, isAway)
				}
				if len(args) > 0 {
					if all, err = chosenOf(all, absent, args); err != nil {
						return nil, err
					}
				}
				return slices.DeleteFunc(all, func(m api.Machine) bool {
					return !meets(m) || len(states) > 0 && !slices.Contains(states, machineState(m))
				}), nil
			}
			return list(cmd, a, &l, x)
		},
	}
	registerListing(cmd, &l, x)
	cmd.Flags().BoolVarP(&absent, "all", "a", false, "also machines that are gone and still known")
	cmd.Flags().StringSliceVar(&states, "state", nil, "only machines in this `STATE`: "+strings.Join(machineStates, ", "))
	listOf(cmd.Flags(), "state", machineStates...)
	cmd.Flags().StringArrayVar(&selectors, "selector", nil, selectorUsage)
	return cmd
}

// chosenOf are the machines that the arguments mean, of those that are present or of all that are known.
func chosenOf(all []api.Machine, absent bool, args []string) ([]api.Machine, error) {
	if !absent {
		return presentOf(all, args)
	}
	found, err := findKnown(all, args)
	for _, m := range found {
		if !isKnown(all, m.ID) {
			return nil, noMachine("machine %s is not known", m.ID)
		}
	}
	return found, err
}

// presentOf are the machines that the arguments mean, if all of them are present.
func presentOf(all []api.Machine, args []string) ([]api.Machine, error) {
	found, err := findMachines(all, args)
	for _, m := range found {
		if !isPresent(all, m.ID) {
			return nil, noMachine("machine %s is not present", m.ID)
		}
	}
	return found, err
}

// knownMachines are those that are present and those that are gone and still known. A fleetd that does not tell of the latter has the former.
func (a *app) knownMachines(ctx context.Context, c *api.Client) ([]api.Machine, error) {
	return a.machinesWith(ctx, c, api.ListOptions{Absent: true})
}

func (a *app) machines(ctx context.Context, c *api.Client) ([]api.Machine, error) {
	return a.machinesWith(ctx, c, api.ListOptions{})
}

func (a *app) machinesWith(ctx context.Context, c *api.Client, o api.ListOptions) ([]api.Machine, error) {
	all, err := c.MachinesWith(ctx, o)
	if err != nil {
		return nil, remote(fmt.Errorf("list machines: %w", err))
	}
	slices.SortFunc(all, func(x, y api.Machine) int { return cmp.Compare(x.ID, y.ID) })
	return all, nil
}

// addresses are where the machines that are present can be reached.
func (a *app) addresses(ctx context.Context, c *api.Client) (map[cluster.MachineID]string, error) {
	all, err := a.machines(ctx, c)
	return addressesOf(all), err
}

func addressesOf(machines []api.Machine) map[cluster.MachineID]string {
	addresses := make(map[cluster.MachineID]string, len(machines))
	for _, m := range machines {
		addresses[m.ID] = m.PrimaryIP
	}
	return addresses
}
