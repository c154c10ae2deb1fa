package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// topping is the flags of top.
type topping struct {
	listing
	once      bool
	selectors []string
}

func (a *app) topCommand() *cobra.Command {
	var t topping
	cmd := &cobra.Command{
		Use:   "top [MACHINE...]",
		Short: "Show machines and what is reserved of them, as it changes",
		Long: `Show machines, their units and how much of what they offer is reserved. What is reserved is what unit files demand
(MemoryMax=, CPUQuota=, Resources=), not what processes use.

On a terminal the picture fills the screen and changes whenever the cluster does; nothing is polled. Keys: q ends;
m, c, d, u and f sort by memory, CPU, disk, units and failed units, the fullest first; n sorts by machine; the arrow keys and
Page Up and Page Down scroll. If the connection breaks, the last picture stays, says so, and goes on when it is back.

Elsewhere, and with --once, one table is printed. With a structured --output it is the machines, as in
list-machines.

` + machineArgs + ` Without any, all machines are shown.`,
		Example: `  fleetctl top
  fleetctl top --selector zone=a --sort -memory
  fleetctl top --once -o json | jq '.[].reserved'`,
		RunE: func(cmd *cobra.Command, args []string) error { return a.top(cmd, &t, args) },
	}
	columns := topColumns(false)
	flags := cmd.Flags()
	flags.BoolVar(&t.once, "once", false, "print one table and end")
	flags.BoolVarP(&t.full, "full", "l", false, "do not shorten ids and amounts")
	flags.BoolVar(&t.noLegend, "no-legend", false, "do not print a header")
	flags.StringVar(&t.fields, "fields", columnNames(columns), "`COLUMNS` to show")
	names := strings.Split(columnNames(columns), ",")
	listOf(flags, "fields", names...)
	flags.StringVar(&t.sort, "sort", "machine", "`COLUMN` to sort by; backwards with a \"-\" before its name")
	values(flags, "sort", names...)
	flags.StringArrayVar(&t.selectors, "selector", nil, selectorUsage)
	return cmd
}

func (a *app) top(cmd *cobra.Command, t *topping, args []string) error {
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	meets, err := demands(t.selectors)
	if err != nil {
		return err
	}
	picked, err := pick(t.fields, topColumns(false))
	if err != nil {
		return err
	}
	if err := sortRows(nil, topColumns(false), t.sort); err != nil {
		return err
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	pictures, ended := make(chan picture), make(chan error, 1)
	go func() { ended <- watchPicture(ctx, c.Events, api.EventsOptions{Machines: true}, false, pictures) }()
	var first picture
	limit := time.NewTimer(time.Duration(a.requestTimeout))
	defer limit.Stop()
	select {
	case <-limit.C:
		return remote(fmt.Errorf("follow events: %w", lateStream(time.Duration(a.requestTimeout))))
	case first = <-pictures:
	case err := <-ended:
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, api.ErrNotFound) {
			return &fault{exitError, errors.New("the server has no event stream, as fleet 1 had none; see list-machines")}
		}
		return remote(fmt.Errorf("follow events: %w", err))
	}
	var chosen []api.Machine
	if len(args) > 0 {
		if chosen, err = presentOf(first.list(), args); err != nil {
			return err
		}
	}
	keep := func(m api.Machine) bool {
		same := func(o api.Machine) bool { return o.ID == m.ID }
		return meets(m) && (len(args) == 0 || slices.ContainsFunc(chosen, same))
	}
	if a.structured() {
		return entities(a, slices.DeleteFunc(first.list(), func(m api.Machine) bool { return !keep(m) }))
	}
	if _, watched := terminalWidth(a.stdout); watched && !t.once && a.getenv("TERM") != "dumb" {
		s := &topScreen{app: a, topping: t, keep: keep, picture: first}
		return s.run(ctx, pictures)
	}
	rows := first.rows(keep)
	if err := sortRows(rows, topColumns(false), t.sort); err != nil {
		return err
	}
	return a.writeGrid(a.stdout, grid(picked, rows, shape{t.full, time.Now()}, !t.noLegend), !t.full)
}

// picture is the cluster as the event stream has told of it so far. It is never changed.
type picture struct {
	machines map[cluster.MachineID]api.Machine
	units    map[unit.Name]api.Unit
	broken   error // why it is not the newest; nil if it is
}

// pictureDelay is how long changes are collected before the next picture: a person sees no more of them.
const pictureDelay = 100 * time.Millisecond

// follower opens an event stream, as api.Client.Events does.
type follower func(ctx context.Context, o api.EventsOptions, fn func(api.Event) error) error

// watchPicture sends a picture when the stream is in step with the cluster, and after every change. It returns nil when ctx
// ends. That there is a cluster is known when something was asked of it before: then not even the first stream has to succeed.
func watchPicture(ctx context.Context, events follower, o api.EventsOptions, known bool, pictures chan<- picture) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	told, broken := make(chan api.Event), make(chan error)
	ended := make(chan error, 1)
	go func() {
		ended <- reopen(ctx, func(ctx context.Context, inStep func()) error {
			if known {
				known = false // once: the pauses between tries are to grow
				inStep()
			}
			return events(ctx, o, func(e api.Event) error {
				if e.Type == api.EventSync {
					inStep()
				}
				return send(ctx, told, e)
			})
		}, func(err error) error {
			var answer *api.Error
			if errors.As(err, &answer) && answer.Code/100 == 4 && answer.Code != http.StatusTooManyRequests {
				return err // it will be no other
			}
			return send(ctx, broken, lost(err))
		})
	}()
	next := newPicture()
	synced, last := false, newPicture()
	var due <-chan time.Time
	for {
		select {
		case e := <-told:
			if e.Type == api.EventSync {
				synced, due = true, time.After(0)
			}
			next.take(e)
			if synced && due == nil {
				due = time.After(pictureDelay)
			}
		case err := <-broken:
			last.broken = err
			next, synced, due = newPicture(), false, nil // the next stream tells everything anew
			if err := send(ctx, pictures, last); err != nil {
				return nil
			}
		case <-due:
			due = nil
			last = next.copy()
			if err := send(ctx, pictures, last); err != nil {
				return nil
			}
		case err := <-ended:
			return err
		}
	}
}

func send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func newPicture() picture {
	return picture{machines: make(map[cluster.MachineID]api.Machine), units: make(map[unit.Name]api.Unit)}
}

func (p picture) copy() picture {
	return picture{machines: maps.Clone(p.machines), units: maps.Clone(p.units)}
}

func (p picture) take(e api.Event) {
	switch {
	case e.Type == api.EventMachine && e.Machine != nil:
		p.machines[e.Machine.ID] = *e.Machine
	case e.Type == api.EventMachineGone && e.Machine != nil:
		delete(p.machines, e.Machine.ID)
	case e.Type != api.EventUnit || e.Unit == nil:
	case e.Unit.Absent && len(e.Unit.Copies) == 0:
		delete(p.units, e.Unit.Name)
	default:
		p.units[e.Unit.Name] = *e.Unit
	}
}

// list is the machines, by id.
func (p picture) list() []api.Machine {
	all := make([]api.Machine, 0, len(p.machines))
	for _, id := range slices.Sorted(maps.Keys(p.machines)) {
		all = append(all, p.machines[id])
	}
	return all
}

// rows are the machines to be shown, with what their units are like.
func (p picture) rows(keep func(api.Machine) bool) []topRow {
	failed := make(map[cluster.MachineID]int)
	for _, u := range p.units {
		for _, c := range u.Copies {
			if c.Active == "failed" {
				failed[c.MachineID]++
			}
		}
	}
	var rows []topRow
	for _, m := range p.list() {
		if keep(m) {
			rows = append(rows, topRow{m, failed[m.ID]})
		}
	}
	return rows
}

// sum is the cluster in one line.
func (p picture) sum() string {
	active, failed, pending := 0, 0, 0
	states := make(map[string]int)
	for _, m := range p.machines {
		states[machineState(m)]++
	}
	for _, u := range p.units {
		is := func(active string) bool {
			return slices.ContainsFunc(u.Copies, func(c api.Copy) bool { return c.Active == active })
		}
		switch {
		case is("failed"):
			failed++
		case is("active"):
			active++
		case u.Pending != nil:
			pending++
		}
	}
	machines := count(len(p.machines), "machine")
	var conditions []string
	for _, state := range machineStates {
		if n := states[state]; n > 0 && state != string(cluster.StateReady) {
			conditions = append(conditions, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(conditions) > 0 {
		machines += " (" + strings.Join(conditions, ", ") + ")"
	}
	units := []string{fmt.Sprintf("%d active", active)}
	if failed > 0 {
		units = append(units, fmt.Sprintf("%d failed", failed))
	}
	if pending > 0 {
		units = append(units, fmt.Sprintf("%d without a machine", pending))
	}
	return fmt.Sprintf("%s, %s: %s", machines, count(len(p.units), "unit"), strings.Join(units, ", "))
}
