package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// departure is how one machine is emptied, as it is told to whoever asked for it.
type departure struct {
	app   *app
	line  *line
	m     api.Machine
	begun time.Time

	there  map[unit.Name]bool   // units that are still there
	told   map[unit.Name]string // what was said last of each
	stuck  map[unit.Name]string
	global []unit.Name
	left   int

	silent bool      // that was told
	since  time.Time // when what may be the end was first seen
	what   string    // what that was
	ended  bool
	code   exitCode
}

// newDeparture remembers what is on the machine before it is asked to go.
func newDeparture(ctx context.Context, a *app, l *line, m api.Machine) (*departure, error) {
	detail, err := l.now().Machine(ctx, m.ID)
	if err != nil {
		return nil, remote(fmt.Errorf("get machine %s: %w", m.ID, err))
	}
	d := &departure{app: a, line: l, m: m, begun: time.Now(), there: make(map[unit.Name]bool), told: make(map[unit.Name]string)}
	for _, o := range detail.Ordered {
		if !o.Global {
			d.there[o.Name] = true
		}
	}
	return d, nil
}

// drainAll empties machines at once.
func (a *app) drainAll(ctx context.Context, l *line, chosen []api.Machine, f drainFlags) error {
	all := make([]*departure, len(chosen))
	for i, m := range chosen {
		var err error
		if all[i], err = newDeparture(ctx, a, l, m); err != nil {
			return err
		}
	}
	if err := askForDrain(ctx, l.now(), chosen, false); err != nil {
		return err
	}
	err := a.followDepartures(ctx, l, all, time.Duration(f.timeout))
	var why gaveUp
	if err != nil && !errors.As(err, &why) {
		return err
	}
	code := exitOK
	for _, d := range all {
		if !d.ended {
			d.giveUp(why)
		}
		code = worse(code, d.code)
	}
	if code == exitTimeout {
		a.hint("fleetctl undrain ends a drain, and fleetctl drain goes on waiting for it")
	}
	return ended(code)
}

// followDepartures returns when all of them have ended.
func (a *app) followDepartures(ctx context.Context, l *line, all []*departure, limit time.Duration) error {
	open := func() []*departure {
		return slices.DeleteFunc(slices.Clone(all), func(d *departure) bool { return d.ended })
	}
	return a.followMachines(ctx, l, limit, len(all), func(p picture) (again time.Duration, enough bool) {
		for _, d := range open() {
			again = max(again, d.look(ctx, p))
		}
		return again, len(open()) == 0
	}, func(p picture) string { return open()[0].progress(p.broken) })
}

// look takes in what is new of the machine and tells it. It returns after how long to look again although nothing is new, 0: not.
func (d *departure) look(ctx context.Context, p picture) (again time.Duration) {
	if p.broken != nil {
		return 0
	}
	m, known := p.machine(d.m.ID)
	if known && !isAway(m) {
		d.m = m
	}
	switch {
	case !known || m.State == cluster.StateLost:
		return d.perhaps("lost", func() {
			d.fail(exitFailed, "is lost: what was still there (%s) is placed elsewhere, or waits for it as it says", d.rest())
		})
	case m.State == cluster.StateLeft:
		d.leave(ctx, nil)
		d.succeed("has left")
		return 0
	case m.Drain == nil:
		return d.perhaps("undrained", func() {
			d.fail(exitRefused, "is not drained any more: somebody has ended that; %s still there", are(len(d.there), "unit"))
		})
	}
	if silent := m.State == cluster.StateSilent; silent != d.silent {
		if d.silent = silent; silent {
			d.app.complain("%s is silent: what runs there is not stopped until its fleetd is back", nameOf(m))
		}
	}
	d.leave(ctx, m.Drain)
	d.wait(m.Drain)
	switch {
	case len(m.Drain.Moving) > 0:
		d.what = ""
		return 0
	case len(m.Drain.Stuck) > 0:
		return d.perhaps("stuck", func() {
			d.fail(exitNowhere, "is not empty: %s cannot leave (%s), and will as soon as a machine fits", count(len(d.stuck), "unit"), d.rest())
		})
	}
	d.succeed("drained")
	return 0
}

// perhaps does what is to be done at an end of that kind, once it has been so for a while.
func (d *departure) perhaps(what string, end func()) (again time.Duration) {
	now := time.Now()
	if d.what != what {
		d.what, d.since = what, now
	}
	if left := calm - now.Sub(d.since); left > 0 {
		return left
	}
	end()
	return 0
}

// leave tells of the units that are there no longer; a drain of nil has none.
func (d *departure) leave(ctx context.Context, drain *api.Drain) {
	now := make(map[unit.Name]bool)
	if drain != nil {
		d.stuck, d.global = drain.Stuck, drain.Global
		for name := range drain.Moving {
			now[name] = true
		}
		for name := range drain.Stuck {
			now[name] = true
		}
	}
	d.keep(ctx, now)
}

// keep tells of the units that have left since, when these are still there.
func (d *departure) keep(ctx context.Context, now map[unit.Name]bool) {
	for _, name := range slices.Sorted(maps.Keys(d.there)) {
		if !now[name] && !slices.Contains(d.global, name) {
			d.left++
			d.app.say("Unit %s left %s%s", name, place(d.m.ID, d.m.PrimaryIP, false), d.destination(ctx, name))
		}
	}
	d.there = now
}

// destination is where a unit is that has left.
func (d *departure) destination(ctx context.Context, name unit.Name) string {
	u, err := d.line.now().Unit(ctx, name)
	copies := live(u)
	switch {
	case errors.Is(err, api.ErrNotFound):
		return ": it was destroyed"
	case err != nil:
		return ""
	case u.DesiredState == cluster.Inactive:
		return ": it is wanted inactive"
	case len(copies) == 0:
		_, message := outcome(u)
		return strings.TrimSuffix(", and is on no machine: "+message, ": ")
	}
	return " for " + place(copies[0].MachineID, copies[0].Address, false)
}

// wait tells why units cannot leave, or what they wait for. That they are on their way is for the line of progress.
func (d *departure) wait(drain *api.Drain) {
	tell := func(name unit.Name, why string, show func(string, ...any), format string) {
		if d.told[name] != why {
			d.told[name] = why
			show(format, name, place(d.m.ID, d.m.PrimaryIP, false), why)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(drain.Stuck)) {
		tell(name, obstacle(drain.Stuck[name]), d.app.complain, "Unit %s cannot leave %s: %s")
	}
	for _, name := range slices.Sorted(maps.Keys(drain.Moving)) {
		if how := drain.Moving[name]; !onItsWay(how) {
			tell(name, how, d.app.say, "Unit %s waits on %s: %s")
		}
	}
}

// obstacle is why a unit cannot leave, without saying so.
func obstacle(why string) string {
	if rest, found := strings.CutPrefix(why, "cannot leave "); found {
		if _, why, found := strings.Cut(rest, ": "); found {
			return why
		}
	}
	return why
}

// onItsWay tells whether what is said of a unit that is to leave is what is said of every one for a moment.
func onItsWay(how string) bool {
	return how == "" || strings.HasPrefix(how, "starting on ") || strings.HasPrefix(how, "stopping") || strings.HasPrefix(how, "waiting for the engine ")
}

func (d *departure) succeed(how string) {
	line := fmt.Sprintf("%s %s: ", nameOf(d.m), how)
	if d.left == 0 {
		line += "no unit had to leave"
	} else {
		line += fmt.Sprintf("%s left in %s", count(d.left, "unit"), ago(time.Since(d.begun)))
	}
	if n := len(d.global); n > 0 {
		line += fmt.Sprintf("; the %s there %s", count(n, "global unit"), stay(n))
	}
	d.app.say("%s", line)
	d.ended = true
}

func (d *departure) fail(code exitCode, format string, args ...any) {
	d.app.complain("%s "+format, append([]any{nameOf(d.m)}, args...)...)
	d.ended, d.code = true, code
}

func (d *departure) giveUp(why gaveUp) {
	d.fail(exitTimeout, "is not known to be empty: %s (%s); the drain stays in force", string(why), d.progress(nil))
}

// rest are the units that are still there.
func (d *departure) rest() string {
	const most = 5
	var names []string
	for _, name := range slices.Sorted(maps.Keys(d.there)) {
		if len(names) == most {
			names = append(names, fmt.Sprintf("%d more", len(d.there)-most))
			break
		}
		names = append(names, string(name))
	}
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

func (d *departure) progress(broken error) string {
	if broken != nil {
		return broken.Error()
	}
	text := fmt.Sprintf("%s: %s left, %s still there", d.m.ID.Short(), count(d.left, "unit"), are(len(d.there), "unit"))
	if d.m.Drain == nil {
		return text
	}
	for _, name := range slices.Sorted(maps.Keys(d.m.Drain.Moving)) {
		if how := d.m.Drain.Moving[name]; how != "" {
			return text + fmt.Sprintf("; %s: %s", name, how)
		}
	}
	return text
}

// are is a number of things that are: "1 unit is", "2 units are".
func are(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return count(n, thing) + " are"
}
