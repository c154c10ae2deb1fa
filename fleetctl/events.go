package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
)

// eventing is the flags of events.
type eventing struct {
	follow, full, warnings bool
	limit                  int
	machines, types        []string
	since                  string
	units                  sought
}

// followed is how many events are shown before those that are followed, as journalctl has it.
const followed = 10

func (a *app) eventsCommand() *cobra.Command {
	e := eventing{limit: -1}
	cmd := &cobra.Command{
		Use:   "events [UNIT...]",
		Short: "Show what has happened to units and machines",
		Long: `Show what has happened in the cluster, oldest first: what users asked for, where the engine placed units and why,
what systemd said of them on their machines, and which machines came and went.

` + unitArgs + ` Without any UNIT, everything is shown.

Each fleetd remembers what has happened since it was started, and only the newest ten thousand events; another
one may remember more. In a cluster of more than a hundred machines (api_follow_machines of fleetd) that is since somebody
has begun to ask it, and it forgets it ten minutes after the last request; the leader's machine usually remembers most. Where something
is missing that was asked for, a line says so. The journal of the machines goes further back: see "fleetctl journal".

With --follow, events are shown as they happen, until Ctrl-C. If fleetd is restarted meanwhile, fleetctl waits for it and goes on
with what happened last.

TIME is a moment, written as for "fleetctl journal" ("2026-03-01 12:00", "12:30", "today", "10min ago"), a length of time that
has passed since ("10min", "1h 30min"), or the revision of an event.

--output json is an array; with --follow, one line of JSON for each event.`,
		Example: `  fleetctl events
  fleetctl events -f 'web@*'
  fleetctl events --warnings --since 1h
  fleetctl events --type failed,machine-lost -n 20
  fleetctl events -f -o json | jq -r 'select(.type == "failed").unit'`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.events(cmd, e, args) },
	}
	flags := cmd.Flags()
	flags.BoolVarP(&e.follow, "follow", "f", false, "go on with what happens")
	flags.IntVarP(&e.limit, "limit", "n", -1, fmt.Sprintf("show at most the newest `N`; default: all, with --follow %d", followed))
	flags.StringVar(&e.since, "since", "", "show what has happened since this `TIME`")
	flags.StringSliceVar(&e.machines, "machine", nil, "only what happened on this `MACHINE`, an id or the beginning of one; several are alternatives")
	flags.StringSliceVar(&e.types, "type", nil, "only this `TYPE` of events, such as placed, started, failed, pending, machine-lost")
	listOf(flags, "type", eventTypes()...)
	flags.BoolVar(&e.warnings, "warnings", false, "only what somebody should look at")
	flags.BoolVarP(&e.full, "full", "l", false, "times as in RFC 3339, and revisions")
	return cmd
}

func (a *app) events(cmd *cobra.Command, e eventing, args []string) error {
	ctx := cmd.Context()
	var (
		o   api.HistoryOptions
		err error
	)
	if e.units, err = a.seek(args); err != nil {
		return err
	}
	if !e.units.tooMany() {
		o.Units, o.Globs = e.units.names, e.units.globs
	}
	if o.Since, o.SinceTime, err = parseSince(e.since, time.Now()); err != nil {
		return usage(fmt.Errorf("--since: %w", err))
	}
	for _, t := range e.types {
		if !slices.Contains(eventTypes(), t) {
			return usage(fmt.Errorf("--type %q: expect some of %s", t, strings.Join(eventTypes(), ",")))
		}
	}
	if cmd.Flags().Changed("limit") && e.limit < 0 {
		return usage(errors.New("--limit must be a number of events, or 0"))
	}
	if e.follow && !cmd.Flags().Changed("limit") && e.since == "" {
		e.limit = followed
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	if len(e.machines) > 0 {
		if o.Machines, err = a.machinesAt(ctx, c, e.machines); err != nil {
			return err
		}
	}
	past, last, err := e.past(ctx, c, o)
	if err != nil {
		return err
	}
	show := a.eventWriter(e)
	switch {
	case e.follow:
		if err := show(past); err != nil {
			return err
		}
		o.Since, o.SinceTime = max(o.Since, last), time.Time{}
		return a.follow(ctx, c, e, o, show)
	case a.structured():
		return entities(a, past)
	}
	if _, watched := terminalWidth(a.stdout); watched && len(past) == 0 {
		a.complain("Nothing of this has happened since this fleetd was started, or began to follow the cluster.")
	}
	return show(past)
}

// eventTypes are the words for --type.
func eventTypes() []string {
	var words []string
	for _, t := range []api.HappeningType{
		api.HappenedSubmitted, api.HappenedReplaced, api.HappenedWanted, api.HappenedRestarting, api.HappenedMoving, api.HappenedDestroyed,
		api.HappenedPlaced, api.HappenedMoved, api.HappenedWithdrawn, api.HappenedPending,
		api.HappenedDraining, api.HappenedDrained, api.HappenedUndrained, api.HappenedForgotten,
		api.HappenedAlarm, api.HappenedAcknowledged, api.HappenedAlarmOver,
		api.HappenedStarted, api.HappenedRestarted, api.HappenedStopped, api.HappenedFailed, api.HappenedGone,
		api.HappenedCordoned, api.HappenedUncordoned,
		api.HappenedJoined, api.HappenedLost, api.HappenedLeft, api.HappenedSilent, api.HappenedReturned, api.HappenedLeader, api.HappenedUnreadable,
	} {
		words = append(words, string(t))
	}
	return words
}

func (a *app) machinesAt(ctx context.Context, c *api.Client, args []string) ([]cluster.MachineID, error) {
	present, err := a.machines(ctx, c)
	if err != nil {
		return nil, err
	}
	found, err := findMachines(present, args)
	ids := make([]cluster.MachineID, len(found))
	for i, m := range found {
		ids[i] = m.ID
	}
	return ids, err
}

// past are the events that have happened and are to be shown, and the revision of the last that is remembered.
func (e eventing) past(ctx context.Context, c *api.Client, o api.HistoryOptions) (past []api.Happening, last int64, err error) {
	if e.limit > 0 && !e.picks() {
		o.Newest = e.limit
	}
	if e.limit == 0 {
		o.Newest = 1 // for its revision
	}
	err = c.History(ctx, o, func(h api.Happening) error {
		last = max(last, h.Revision)
		if e.picked(h) {
			past = append(past, h)
		}
		return nil
	})
	if errors.Is(err, api.ErrNotFound) {
		return nil, 0, &fault{exitError, errors.New("the server remembers no events, as fleet 1 did not")}
	}
	if err != nil {
		return nil, 0, remote(fmt.Errorf("list events: %w", err))
	}
	if e.limit >= 0 && len(past) > e.limit {
		past = past[len(past)-e.limit:]
	}
	return past, last, nil
}

// picks tells whether some events are left out here, and not by fleetd.
func (e eventing) picks() bool { return e.warnings || len(e.types) > 0 || e.units.tooMany() }

func (e eventing) picked(h api.Happening) bool {
	return h.Type == api.HappenedGap ||
		e.units.has(h.Unit) && (!e.warnings || h.Severity == api.SeverityWarning) &&
			(len(e.types) == 0 || slices.Contains(e.types, string(h.Type)))
}

// follow shows what happens, over interruptions, until ctx ends.
func (a *app) follow(ctx context.Context, c *api.Client, e eventing, o api.HistoryOptions, show func([]api.Happening) error) error {
	o.Follow = true
	failed, opened, told := error(nil), false, false
	err := reopen(ctx, func(ctx context.Context, inStep func()) error {
		if !opened {
			opened = true
			inStep() // there is a cluster: it has told of the past
		}
		o.Told = func(revision int64) {
			inStep()
			told = false
			o.Since = revision
		}
		return c.History(ctx, o, func(h api.Happening) error {
			inStep()
			told = false
			if e.picked(h) {
				failed = show([]api.Happening{h})
			}
			return failed
		})
	}, func(err error) error {
		var answer *api.Error
		switch {
		case failed != nil:
			return failed
		case errors.As(err, &answer) && answer.Code/100 == 4 && answer.Code != http.StatusTooManyRequests:
			return remote(fmt.Errorf("follow events: %w", err))
		case !told:
			a.complain("%v", lost(err))
		}
		told = true
		return nil
	})
	if err != nil {
		return err
	}
	return nil // Ctrl-C is how following ends
}

// eventWriter shows events, in the form that was asked for.
func (a *app) eventWriter(e eventing) func([]api.Happening) error {
	return func(all []api.Happening) error {
		for _, h := range all {
			if err := a.writeEvent(e, h); err != nil {
				return err
			}
		}
		return nil
	}
}

func (a *app) writeEvent(e eventing, h api.Happening) error {
	switch {
	case a.output.form == formJSON:
		line, err := encodeJSON(h, "")
		if err != nil {
			return err
		}
		_, err = a.stdout.Write(line)
		return written(err)
	case a.structured():
		return entities(a, []api.Happening{h})
	}
	_, err := fmt.Fprintln(a.stdout, a.eventLine(e, h))
	return written(err)
}

// eventLine is an event as the journal would have it.
func (a *app) eventLine(e eventing, h api.Happening) string {
	parts := []string{h.Time.Local().Format(time.Stamp)}
	if e.full {
		parts = []string{h.Time.Local().Format(time.RFC3339), fmt.Sprint(h.Revision)}
	}
	if h.Time.IsZero() {
		parts = nil
	}
	if a.wide() {
		parts = append(parts, fmt.Sprintf("%-15s", h.Type))
	}
	message := oneLine(h.Message)
	if h.Type == api.HappenedGap {
		message = "-- " + message + " --"
	}
	return strings.Join(append(parts, a.paint(a.stdout, eventStyle(h), message)), "  ")
}

func eventStyle(h api.Happening) style {
	switch {
	case h.Type == api.HappenedFailed || h.Type == api.HappenedLost || h.Type == api.HappenedAlarm || h.Type == api.HappenedUnreadable:
		return red
	case h.Type == api.HappenedGap:
		return bold
	case h.Severity == api.SeverityWarning:
		return yellow
	case h.Type == api.HappenedStarted || h.Type == api.HappenedRestarted:
		return green
	}
	return plain
}
