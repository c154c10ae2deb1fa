package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

// fileRow is one unit that is submitted.
type fileRow struct {
	api.Unit
	address string
}

func fileColumns() []column[fileRow] {
	return []column[fileRow]{
		{name: "unit", cell: text(func(r fileRow) string { return string(r.Name) })},
		{name: "global", cell: text(func(r fileRow) string { return strconv.FormatBool(r.Global) })},
		{name: "dstate", cell: text(func(r fileRow) string { return string(r.DesiredState) })},
		{name: "target", cell: fileRow.target},
		{name: "tmachine", cell: fileRow.target},
		{name: "state", cell: text(func(r fileRow) string {
			if r.Global {
				return ""
			}
			return string(r.CurrentState)
		}), style: fileRow.style},
		{name: "hash", cell: func(r fileRow, s shape) string { return shortHash(r.Hash, s.full) }},
		{name: "desc", cell: text(func(r fileRow) string { return description(r.Unit) })},
		{name: "outcome", cell: text(func(r fileRow) string { phase, _ := outcome(r.Unit); return string(phase) }), style: fileRow.style},
		{
			name:  "since",
			cell:  func(r fileRow, s shape) string { return moment(r.since(), s.now, s.full) },
			order: func(x, y fileRow) int { return compareTimes(x.since(), y.since()) },
		},
		{name: "reason", cell: text(fileRow.reason)},
	}
}

// style is how far the unit is from what is wanted of it.
func (r fileRow) style() style {
	phase, _ := outcome(r.Unit)
	switch {
	case r.Error != "" || phase == cluster.Failed:
		return red
	case phase == cluster.Nowhere || phase == cluster.Working:
		return yellow
	case r.DesiredState == cluster.Launched:
		return green
	}
	return plain
}

// since is when the unit was placed where it is, or found no machine.
func (r fileRow) since() time.Time {
	if r.Pending != nil {
		return r.Pending.Since
	}
	for _, c := range r.Copies {
		if c.Ordered {
			return c.Since
		}
	}
	return time.Time{}
}

// reason is why the unit is not as it is wanted, or else why it is where it is.
func (r fileRow) reason() string {
	_, message := outcome(r.Unit)
	switch {
	case r.Error != "":
		return r.Error
	case r.Pending != nil:
		return r.Pending.Message
	case message != "" || r.Global:
		return message
	}
	if copies := live(r.Unit); len(copies) > 0 {
		return copies[0].Reason
	}
	return ""
}

// states are all words for how the unit is: systemd's on each machine, fleet's, and "pending" if it should be on a machine and is on none.
func (r fileRow) states() []string {
	phase, _ := outcome(r.Unit)
	states := []string{string(r.CurrentState), string(phase)}
	if r.Pending != nil {
		states = append(states, "pending")
	}
	for _, c := range r.Copies {
		states = append(states, c.Load, c.Active, c.Sub)
	}
	return states
}

// fleetStates are fleet's own words for how a unit is.
func fleetStates() []string {
	return []string{
		string(cluster.Loaded), string(cluster.Launched), string(cluster.Working), string(cluster.Done), string(cluster.Nowhere), "pending",
	}
}

func (r fileRow) target(s shape) string {
	switch {
	case r.Global:
		return "global"
	case r.MachineID == "":
		return ""
	}
	return place(r.MachineID, r.address, s.full)
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
	var (
		l listing
		f filters
	)
	x := lister[fileRow]{
		things:   "unit files",
		columns:  fileColumns(),
		defaults: "unit,hash,dstate,state,target",
		wide:     "unit,hash,dstate,state,target,outcome,since,reason,desc",
		entity:   func(r fileRow) any { return r.Unit },
	}
	cmd := &cobra.Command{
		Use:   "list-unit-files [UNIT...]",
		Short: "List the units of the cluster, and what is wanted of them",
		Long: `List the units of the cluster: one line for each, whether it is on a machine or not, with the state that it is
wanted in (dstate), the one that it is in, and its machine (target).

` + unitArgs + ` Without any UNIT, all units are listed. A list in which nothing is left is no failure.

With --output wide there are besides: how far the cluster has come with the last request (done, working, failed,
nowhere), since when the unit is where it is or has no machine, why, and what its file says that it is.
Besides systemd's words, --state understands fleet's: inactive, loaded, launched, working, done, failed, nowhere, and
pending for units that should be on a machine and are on none.`,
		Example: `  fleetctl list-unit-files --state pending -o wide
  fleetctl list-unit-files --desired launched --selector disk=ssd
  fleetctl list-unit-files 'web@*' --fields unit,target --sort target`,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.seek(args)
			if err != nil {
				return err
			}
			if err := f.check(fleetStates()...); err != nil {
				return err
			}
			if slices.Contains(strings.Split(l.fields, ","), "tmachine") {
				a.complain(`WARNING: The "tmachine" field is deprecated. Use "target" instead`)
			}
			x.rows = func(ctx context.Context, c *api.Client) ([]fileRow, error) {
				return a.fileRows(ctx, c, &f, s)
			}
			return list(cmd, a, &l, x)
		},
	}
	registerListing(cmd, &l, x)
	f.register(cmd)
	return cmd
}

func (a *app) fileRows(ctx context.Context, c *api.Client, f *filters, wanted sought) ([]fileRow, error) {
	machines, err := a.machines(ctx, c)
	if err != nil {
		return nil, err
	}
	o, err := f.options(wanted, machines)
	if err != nil {
		return nil, err
	}
	units, err := c.UnitsWith(ctx, o)
	if err != nil {
		return nil, remote(fmt.Errorf("list units: %w", err))
	}
	rest, err := f.sieve(ctx, c, machines, o)
	if err != nil {
		return nil, err
	}
	addresses := addressesOf(machines)
	var rows []fileRow
	for _, u := range units {
		r := fileRow{u, addresses[u.MachineID]}
		if !wanted.has(u.Name) || !rest.hasUnit(u) || !f.inState(r.states()...) {
			continue
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(x, y fileRow) int { return cmp.Compare(x.Name, y.Name) })
	return rows, nil
}
