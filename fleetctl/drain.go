package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

// drainFlags are the flags of drain.
type drainFlags struct {
	reboot, noBlock bool
	timeout         seconds
}

func (a *app) drainCommand() *cobra.Command {
	var d drainFlags
	cmd := &cobra.Command{
		Use:   "drain MACHINE...",
		Short: "Empty machines: hand over their units to others, then perhaps reboot",
		Long: `Empty machines: they are given no further units, and each of their units is started elsewhere and
stopped there when it is up; or stopped first, if it says AtMostOnce= or HandOver=stop-first. Units that are
global stay. The command waits, and tells of each unit that has left, what it waits for (as instances of a
template do because of MaxUnavailable=), or why it cannot leave. Several machines are emptied at once.

The cluster does that, and not fleetctl: an interrupt, or the end of --timeout, ends the waiting and not the drain,
which "fleetctl undrain" ends. Until then nothing is placed there. If the leader, or the fleetd that is asked, goes away
meanwhile the drain goes on, and fleetctl connects again, to any of the endpoints that it was given.

With --reboot the machines are taken one after the other. Each is emptied, rebooted by its own fleetd, and
waited for until it is back, ready, and its global units are up; then its drain is over. What cannot leave is
named; it stops with the machine and is waited for, too. At the first machine that does not come back
as it should be the command ends and leaves the others as they are.

` + machineArgs + `

The exit code is 0 when all that was to leave has left, and all that was to be back is; 5 if units cannot leave and
nothing is on its way any more (they leave as soon as they can); 4 if a machine is lost before it is empty, or a unit fails
after the reboot; 6 if the waiting ended before, by --timeout or an interrupt: the drain stays in force; 7 if
the machine cannot be drained, or somebody ended the drain.`,
		Example: `  fleetctl drain 1234abcd
  fleetctl drain --no-block 1234abcd && fleetctl machine 1234abcd
  fleetctl drain --reboot $(fleetctl list-machines -o name --selector zone=a)`,
		Args: needMachines,
		RunE: func(cmd *cobra.Command, args []string) error { return a.drain(cmd.Context(), args, d) },
	}
	flags := cmd.Flags()
	flags.BoolVar(&d.reboot, "reboot", false, "reboot each when it is empty, and wait until it is back")
	flags.BoolVar(&d.noBlock, "no-block", false, "do not wait")
	flags.Var(&d.timeout, "timeout", "give up waiting after this time, in seconds or as a duration such as 1m30s; with --reboot, for each machine; 0: never")
	return cmd
}

func (a *app) drain(ctx context.Context, args []string, d drainFlags) error {
	l, err := a.line()
	if err != nil {
		return err
	}
	defer l.close()
	all, err := a.knownMachines(ctx, l.now())
	if err != nil {
		return err
	}
	chosen, err := findKnown(all, args)
	if err != nil {
		return err
	}
	if d.reboot && d.noBlock && len(chosen) > 1 {
		return usage(errors.New("--reboot takes machines one after the other, and --no-block does not wait for any: give one machine, or leave out one of the flags"))
	}
	for _, m := range chosen {
		if err := drainable(all, m, d.reboot); err != nil {
			return err
		}
	}
	a.warnOfDrain(all, chosen, d.reboot)
	ids := make([]cluster.MachineID, len(chosen))
	for i, m := range chosen {
		ids[i] = m.ID
	}
	switch {
	case d.noBlock:
		err = a.triggerDrain(ctx, l.now(), chosen, d.reboot)
	case d.reboot:
		err = a.rebootAll(ctx, l, chosen, d)
	default:
		err = a.drainAll(ctx, l, chosen, d)
	}
	var f *fault
	if a.structured() && (err == nil || errors.As(err, &f) && f.err == nil) {
		if err := a.showMachines(context.WithoutCancel(ctx), l.now(), ids); err != nil {
			return err
		}
	}
	return err
}

// drainable tells why a machine cannot be drained.
func drainable(all []api.Machine, m api.Machine, reboot bool) error {
	now := time.Now()
	refuse := func(format string, args ...any) error {
		return &fault{exitRefused, errors.New("unable to drain " + place(m.ID, m.PrimaryIP, false) + ": " + fmt.Sprintf(format, args...))}
	}
	switch {
	case !isKnown(all, m.ID):
		return noMachine("machine %s is not known", m.ID)
	case m.State == cluster.StateLost:
		return refuse("it is lost%s: its units are placed elsewhere, or wait for it as they say; forget it if it will not come back, or cordon it so that it is given nothing when it does",
			sinceWords(m.StateSince, now))
	case m.State == cluster.StateLeft:
		return refuse("it has left%s, and has nothing", sinceWords(m.StateSince, now))
	case m.State == cluster.StateUnknown:
		return refuse("its record cannot be read: %s", m.Error)
	case m.State == cluster.StateSilent && reboot:
		return refuse("it is silent%s: its fleetd, which would reboot it, is not there", sinceWords(m.StateSince, now))
	}
	return nil
}

// warnOfDrain says what will keep a drain from being what is expected of it.
func (a *app) warnOfDrain(all, chosen []api.Machine, reboot bool) {
	among := func(m api.Machine) bool {
		return slices.ContainsFunc(chosen, func(o api.Machine) bool { return o.ID == m.ID })
	}
	if reboot { // one after the other
		among = func(m api.Machine) bool { return len(chosen) == 1 && chosen[0].ID == m.ID }
	}
	if !slices.ContainsFunc(all, func(m api.Machine) bool { return takesUnits(m) && !among(m) }) {
		a.complain("%s there is no other machine that is given units: nothing can leave", a.paint(a.stderr, yellow, "warning:"))
	}
	for _, m := range chosen {
		if m.State == cluster.StateSilent {
			a.complain("%s %s is silent%s: what runs there is not stopped until its fleetd is back", a.paint(a.stderr, yellow, "warning:"),
				nameOf(m), sinceWords(m.StateSince, time.Now()))
		}
	}
}

// triggerDrain asks for drains and does not wait.
func (a *app) triggerDrain(ctx context.Context, c *api.Client, chosen []api.Machine, reboot bool) error {
	if err := askForDrain(ctx, c, chosen, reboot); err != nil {
		return err
	}
	for _, m := range chosen {
		then := ""
		if reboot {
			then = ", and it is rebooted then"
		}
		a.say("%s is drained: its units go elsewhere%s", nameOf(m), then)
	}
	return nil
}

// askForDrain is brought to its end whatever happens meanwhile, so that it is known whether the drain is in force.
func askForDrain(ctx context.Context, c *api.Client, chosen []api.Machine, reboot bool) error {
	var names []string
	var ids []cluster.MachineID
	for _, m := range chosen {
		names, ids = append(names, m.ID.Short()), append(ids, m.ID)
	}
	ctx = context.WithoutCancel(ctx)
	var err error
	if reboot {
		err = c.DrainToReboot(ctx, ids[0])
	} else {
		err = c.SetDrained(ctx, true, ids...)
	}
	if err != nil {
		return remote(fmt.Errorf("drain %s: %w", strings.Join(names, ", "), err))
	}
	return nil
}
