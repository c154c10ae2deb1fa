package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

func (a *app) labelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "label MACHINE... KEY=VALUE|KEY-...",
		Short: "Set and remove metadata of machines",
		Long: `Lay metadata over those that machines have from their own settings: KEY=VALUE sets one, and KEY- takes one
away, whoever has set it. That lasts until it is changed again, wherever the machine goes meanwhile. Units see it in
MachineMetadata=: those that do not fit any more leave the machine, and those that waited for it come.

` + machineArgs + ` One that is not
present can be given as its whole id, and finds the metadata when it comes.`,
		Example: `  fleetctl label 1234abcd disk=ssd
  fleetctl label 1234abcd 5678ef00 zone=b rack-`,
		Args: func(_ *cobra.Command, args []string) error {
			_, _, err := labels(args)
			return err
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.label(cmd.Context(), args) },
	}
}

// labelling is what is to be done to metadata.
type labelling struct {
	set    map[string]string
	remove []string
}

// labels divides arguments into machines, and what is to be done to them.
func labels(args []string) (machines []string, l labelling, err error) {
	l.set = make(map[string]string)
	seen := make(map[string]bool)
	for _, arg := range args {
		key, value, sets := strings.Cut(arg, "=")
		removed, removes := strings.CutSuffix(arg, "-")
		switch {
		case sets && value == "":
			return nil, l, fmt.Errorf("%s has no value; %s- removes the key", arg, key)
		case sets:
			l.set[key] = value
		case removes:
			key = removed
			l.remove = append(l.remove, key)
		default:
			machines = append(machines, arg)
			continue
		}
		if key == "" || seen[key] {
			return nil, l, fmt.Errorf("%q: expect each KEY once, as KEY=VALUE or KEY-", arg)
		}
		seen[key] = true
	}
	switch {
	case len(machines) == 0:
		return nil, l, errors.New("no machines given")
	case len(seen) == 0:
		return nil, l, errors.New("nothing to set or remove: expect KEY=VALUE or KEY-")
	}
	return machines, l, nil
}

func (a *app) label(ctx context.Context, args []string) error {
	given, change, err := labels(args)
	if err != nil {
		return usage(err)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	before, err := a.knownMachines(ctx, c)
	if err != nil {
		return err
	}
	chosen, err := findKnown(before, given)
	if err != nil {
		return err
	}
	ids := make([]cluster.MachineID, len(chosen))
	for i, m := range chosen {
		ids[i] = m.ID
	}
	if err := c.Label(ctx, change.set, change.remove, ids...); err != nil {
		return remote(fmt.Errorf("label %s: %w", count(len(ids), "machine"), err))
	}
	for _, m := range chosen {
		a.say("%s", change.words(m, isKnown(before, m.ID)))
	}
	return a.showMachines(ctx, c, ids)
}

// words tell what has become of the metadata of a machine that was as m is.
func (l labelling) words(m api.Machine, known bool) string {
	var changes []string
	for _, key := range slices.Sorted(maps.Keys(l.set)) {
		old, had := m.Metadata[key]
		switch value := l.set[key]; {
		case had && old == value:
			changes = append(changes, fmt.Sprintf("%s=%s as before", key, value))
		case had:
			changes = append(changes, fmt.Sprintf("%s=%s instead of %s", key, value, old))
		default:
			changes = append(changes, fmt.Sprintf("%s=%s is new", key, value))
		}
	}
	for _, key := range l.remove {
		if old, had := m.Metadata[key]; had {
			changes = append(changes, fmt.Sprintf("%s=%s removed", key, old))
		} else {
			changes = append(changes, key+" was not there")
		}
	}
	text := nameOf(m) + ": " + strings.Join(changes, ", ")
	if !known {
		text = nameOf(m) + ": " + strings.Join(slices.Concat(pairsOf(l.set), removals(l.remove)), ", ") + " when it comes; it is not present"
	}
	return text
}

func pairsOf(set map[string]string) []string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(set)) {
		all = append(all, key+"="+set[key])
	}
	return all
}

func removals(keys []string) []string {
	var all []string
	for _, key := range keys {
		all = append(all, "no "+key)
	}
	return all
}
