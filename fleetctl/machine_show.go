package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

func (a *app) machineCommand() *cobra.Command {
	var full bool
	cmd := &cobra.Command{
		Use:   "machine MACHINE...",
		Short: "Show machines: their state, what they offer, their units",
		Long: `Show machines, present or gone: in which state they are and since when, what operators have laid over them, how far
a drain has come, by which times units that say AtMostOnce= are ended when the machine is cut off, and
what its units are like. Of one that is silent the states are those that it told last; of one that is lost nothing is
known but what it was to run.

` + machineArgs + ` States of machines are

` + machineStateHelp + `

The exit code is 0 whatever the state is, and 3 if there is no such machine.`,
		Example: `  fleetctl machine 1234abcd
  fleetctl machine 1234abcd -o 'jsonpath=$[*].state'`,
		Args: needMachines,
		RunE: func(cmd *cobra.Command, args []string) error { return a.showMachine(cmd.Context(), args, full) },
	}
	cmd.Flags().BoolVarP(&full, "full", "l", false, "do not shorten ids; times as in RFC 3339")
	return cmd
}

func (a *app) showMachine(ctx context.Context, args []string, full bool) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	all, err := a.knownMachines(ctx, c)
	if err != nil {
		return err
	}
	chosen, err := chosenOf(all, true, args)
	if err != nil {
		return err
	}
	details := make([]api.MachineDetail, len(chosen))
	for i, m := range chosen {
		details[i], err = c.Machine(ctx, m.ID)
		switch {
		case errors.Is(err, api.ErrNotFound):
			return noMachine("machine %s is not known any more", m.ID)
		case err != nil:
			return remote(fmt.Errorf("get machine %s: %w", m.ID, err))
		}
	}
	if a.structured() {
		return entities(a, details)
	}
	for i, d := range details {
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		writeMachine(a.stdout, d, shape{full, time.Now()}, a.painter(a.stdout))
	}
	return nil
}

func writeMachine(w io.Writer, d api.MachineDetail, s shape, paint painter) {
	mark := "●"
	if isAway(d.Machine) {
		mark = "○"
	}
	title := string(d.ID)
	if d.PrimaryIP != "" {
		title += " - " + d.PrimaryIP
	}
	fmt.Fprintf(w, "%s %s\n", paint(machineStyle(d.Machine), mark), oneLine(title))
	line := func(key, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(w, "%11s: %s\n", key, oneLine(text))
		}
	}
	line("State", "%s%s", paint(machineStyle(d.Machine), machineState(d.Machine)), statusSince(inStateSince(d.Machine), s))
	line("Record", "%s", d.Error)
	if settings := d.Settings; settings != nil && d.Cordoned {
		line("Cordoned", "yes%s", statusSince(settings.CordonedSince, s))
	}
	writeDrain(line, d, s)
	line("Metadata", "%s", metadataWords(d.Machine))
	line("Version", "%s", d.Version)
	if !d.Since.IsZero() && d.State != cluster.StateReady {
		line("Joined", "%s", strings.TrimPrefix(statusSince(d.Since, s), " since "))
	}
	line("Endpoint", "%s", d.Endpoint)
	if s.full {
		line("Boot", "%s", d.BootID)
	}
	if d.Leader {
		line("Leads", "yes, its engine places units")
	}
	if !isAway(d.Machine) {
		line("Fence", "%s", cmp.Or(fenceLine(d.Fence), "none: units that say AtMostOnce= are not placed here"))
	}
	if d.Capacity != nil {
		line("Capacity", "%s", amounts(d.Capacity.Resources, d.Capacity.MaxUnits, s.full))
	}
	line("Reserved", "%s", amounts(reservedOf(d.Machine), 0, s.full))
	writeUnits(w, line, d, s, paint)
}

// fenceLine is a fence in words.
func fenceLine(f *api.Fence) string {
	switch {
	case f == nil:
		return ""
	case f.Error != "":
		return "of no use, so that units that say AtMostOnce= are not placed here: " + f.Error
	}
	return fmt.Sprintf("renewal %gs + watchdog %gs + kill %gs, less than the lease of %gs", f.Renewal, f.Watchdog, f.Kill, f.Lease)
}

// statusSince is since when, as the status of a unit has it.
func statusSince(t time.Time, s shape) string {
	switch {
	case t.IsZero():
		return ""
	case s.full:
		return " since " + moment(t, s.now, true)
	}
	return fmt.Sprintf(" since %s; %s ago", t.Local().Format("Mon 2006-01-02 15:04:05 MST"), ago(s.now.Sub(t)))
}

func writeDrain(line func(key, format string, args ...any), d api.MachineDetail, s shape) {
	drain := d.Drain
	if drain == nil {
		return
	}
	text := fmt.Sprintf("%s still to leave, %d cannot, %s", count(len(drain.Moving), "unit"), len(drain.Stuck), count(len(drain.Global), "global unit")+" "+stay(len(drain.Global)))
	if isAway(d.Machine) {
		text = "asked for"
	}
	switch {
	case drain.Reboot:
		text += "; then it is rebooted"
	case d.Leaving:
		text += "; its host is being shut down"
	}
	line("Drain", "%s%s", text, statusSince(drain.Since, s))
	for _, name := range slices.Sorted(maps.Keys(drain.Moving)) {
		line("", "%s: %s", name, cmp.Or(drain.Moving[name], "to leave"))
	}
	for _, name := range slices.Sorted(maps.Keys(drain.Stuck)) {
		line("", "%s cannot leave: %s", name, obstacle(drain.Stuck[name]))
	}
}

// writeUnits writes what is there or was to be there, each with what was said of it last.
func writeUnits(w io.Writer, line func(key, format string, args ...any), d api.MachineDetail, s shape, paint painter) {
	said := make(map[unit.Name]api.UnitState)
	for _, u := range d.UnitStates {
		said[u.Name] = u
	}
	names := slices.Collect(maps.Keys(said))
	for _, o := range d.Ordered {
		names = append(names, o.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	switch {
	case len(names) == 0:
		line("Units", "none")
		return
	case isAway(d.Machine):
		line("Units", "%d, of which nothing is known while it is %s", len(names), machineState(d.Machine))
	case d.State == cluster.StateSilent && len(d.UnitStates) > 0:
		line("Units", "%d, as they were %s", len(names), moment(d.UnitStates[0].ObservedAt, s.now, s.full))
	default:
		line("Units", "%d", len(names))
	}
	for _, name := range names {
		u, known := said[name]
		state := "unknown"
		if known {
			state = paint(stateStyle(u.SystemdActiveState), cmp.Or(u.SystemdActiveState, "-")+aside(u.SystemdSubState))
		}
		fmt.Fprintf(w, "%13s%s  %s\n", "", name, state)
	}
}
