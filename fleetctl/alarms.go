package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

const acknowledge = "acknowledge"

func alarmColumns() []column[api.Alarm] {
	return []column[api.Alarm]{
		{name: "alarm", cell: text(func(x api.Alarm) string { return string(x.Name) }), style: alarmStyle},
		{
			name:  "since",
			cell:  func(x api.Alarm, s shape) string { return moment(x.Since, s.now, s.full) },
			order: func(x, y api.Alarm) int { return compareTimes(x.Since, y.Since) },
		},
		{name: "acknowledged", cell: text(func(x api.Alarm) string { return yesNo(x.Acknowledged) })},
		{name: "machines", cell: func(x api.Alarm, s shape) string {
			var ids []string
			for _, id := range x.Machines {
				ids = append(ids, place(id, "", s.full))
			}
			return strings.Join(ids, ",")
		}},
		{name: "message", cell: text(func(x api.Alarm) string { return x.Message })},
	}
}

func alarmStyle(x api.Alarm) style {
	if x.Acknowledged {
		return yellow
	}
	return red
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func (a *app) alarmsCommand() *cobra.Command {
	var l listing
	x := lister[api.Alarm]{
		things:   "alarms",
		columns:  alarmColumns(),
		defaults: "alarm,since,acknowledged,message",
		wide:     "alarm,since,acknowledged,machines,message",
		entity:   func(x api.Alarm) any { return x },
		rows: func(ctx context.Context, c *api.Client) ([]api.Alarm, error) {
			all, err := alarms(ctx, c)
			return all, err
		},
	}
	cmd := &cobra.Command{
		Use:   "alarms [acknowledge ALARM...]",
		Short: "List what the cluster needs people for, and have it go on",
		Long: `List the alarms that stand. The engine raises an alarm when it would rather not go on by itself, and ends it
when its cause has gone. "alarms acknowledge" has it go on in spite of one that stands now, not of another that is
raised later.

  mass-loss  so many machines were lost within a short time (loss_limit, loss_window in the settings of fleetd) that it is
             more likely that something else is wrong, such as the network. Units of these machines are not started
             elsewhere until enough of the machines are back, or the alarm is acknowledged.

  store-filling  etcd has taken 80 % of the size at which it refuses to grow. Nothing is held back yet.

  store-full     etcd has taken 95 % of it. New units are refused, and everything else goes on, until there is room again or
                 the alarm is acknowledged. See docs/store.md.

Without an alarm the list is empty, and the exit code is 0 in either case. To acknowledge one that does not stand is
exit code 3.`,
		Example: `  fleetctl alarms
  fleetctl alarms acknowledge mass-loss`,
		ValidArgs: []string{acknowledge},
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return nil
			case args[0] != acknowledge:
				return fmt.Errorf("%q: expect nothing, or %s and the names of alarms", args[0], acknowledge)
			case len(args) == 1:
				return errors.New("no alarms given")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return a.acknowledge(cmd.Context(), args[1:])
			}
			return list(cmd, a, &l, x)
		},
	}
	registerListing(cmd, &l, x)
	return cmd
}

func alarms(ctx context.Context, c *api.Client) ([]api.Alarm, error) {
	all, err := c.Alarms(ctx)
	if errors.Is(err, api.ErrNotFound) {
		return nil, &fault{exitError, errors.New("the fleetd that was asked is too old to know of alarms")}
	}
	if err != nil {
		return nil, remote(fmt.Errorf("list alarms: %w", err))
	}
	return all, nil
}

func (a *app) acknowledge(ctx context.Context, names []string) error {
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	standing, err := alarms(ctx, c)
	if err != nil {
		return err
	}
	var meant []api.Alarm
	for _, name := range names {
		i := slices.IndexFunc(standing, func(x api.Alarm) bool { return x.Name == cluster.AlarmName(name) })
		if i < 0 {
			return &fault{exitNotFound, fmt.Errorf("there is no alarm %s now%s", name, others(standing))}
		}
		meant = append(meant, standing[i])
	}
	for i, x := range meant {
		if err := c.Acknowledge(ctx, x); err != nil {
			return remote(fmt.Errorf("acknowledge alarm %s: %w", x.Name, err))
		}
		if x.Acknowledged {
			a.say("Alarm %s was acknowledged already", x.Name)
		} else {
			a.say("Alarm %s acknowledged: the engine goes on in spite of it", x.Name)
		}
		meant[i].Acknowledged = true
	}
	if a.structured() {
		return entities(a, meant)
	}
	return nil
}

// others names the alarms that stand.
func others(standing []api.Alarm) string {
	if len(standing) == 0 {
		return ", nor any other"
	}
	var names []string
	for _, x := range standing {
		names = append(names, string(x.Name))
	}
	return "; there is " + strings.Join(names, ", ")
}
