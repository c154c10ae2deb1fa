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

// rebootAll empties and reboots machines, one after the other, and stops at the first that is not as it was afterwards.
func (a *app) rebootAll(ctx context.Context, l *line, chosen []api.Machine, f drainFlags) error {
	for i, m := range chosen {
		r, err := newReboot(ctx, a, l, m)
		if err == nil {
			err = r.run(ctx, time.Duration(f.timeout))
		}
		if err == nil {
			continue
		}
		if rest := chosen[i+1:]; len(rest) > 0 {
			var names []string
			for _, m := range rest {
				names = append(names, place(m.ID, m.PrimaryIP, false))
			}
			a.complain("Not begun: %s", strings.Join(names, ", "))
		}
		return err
	}
	return nil
}

// reboot is one machine on its way through a reboot.
type reboot struct {
	*departure
	boot   string // that it was in
	watch  *machineWatch
	empty  time.Time // when all that could leave had left
	down   bool
	doing  string      // for who watches
	wanted []unit.Name // what has to be up when it is back
}

func newReboot(ctx context.Context, a *app, l *line, m api.Machine) (*reboot, error) {
	d, err := newDeparture(ctx, a, l, m)
	if err != nil {
		return nil, err
	}
	return &reboot{departure: d, boot: m.BootID, doing: "draining"}, nil
}

func (r *reboot) run(ctx context.Context, limit time.Duration) error {
	if r.boot == "" {
		return &fault{exitRefused, fmt.Errorf("unable to reboot %s: its fleetd does not say which boot it is in", place(r.m.ID, r.m.PrimaryIP, false))}
	}
	if err := askForDrain(ctx, r.line.now(), []api.Machine{r.m}, true); err != nil {
		return err
	}
	r.watch = r.app.openMachineWatch(ctx, r.line)
	defer r.watch.close()
	r.watch.within(limit)
	err := r.watch.until(ctx, much, func(p picture) (time.Duration, bool) { return r.follow(ctx, p), r.ended }, r.words)
	switch {
	case err != nil:
		return r.ends(err)
	case r.code != exitOK:
		return ended(r.code)
	}
	if err := r.remain(ctx); err != nil {
		return err
	}
	failed, err := r.settle(ctx)
	if err != nil {
		return r.ends(err)
	}
	back := time.Now()
	err = r.line.insist(ctx, func(c *api.Client) error { return c.SetDrained(ctx, false, r.m.ID) })
	if err != nil {
		return remote(fmt.Errorf("end the drain of %s: %w", r.m.ID, err))
	}
	if failed {
		r.app.complain("%s is back, but not all of its units are up", nameOf(r.m))
		return ended(exitFailed)
	}
	up := ""
	if n := len(r.wanted); n > 0 {
		up = fmt.Sprintf("; %s up", are(n, "unit"))
	}
	r.app.say("%s is back after %s: %s left in %s, rebooted and ready in %s%s", nameOf(r.m), ago(back.Sub(r.begun)),
		count(r.left, "unit"), ago(r.empty.Sub(r.begun)), ago(back.Sub(r.empty)), up)
	return nil
}

func (r *reboot) words() string {
	if r.empty.IsZero() {
		return r.progress(nil)
	}
	if r.watch.newest.broken != nil {
		return r.watch.newest.broken.Error()
	}
	return fmt.Sprintf("%s: %s, %s since it is empty", r.m.ID.Short(), r.doing, ago(time.Since(r.empty)))
}

// ends is the end of the waiting.
func (r *reboot) ends(err error) error {
	var why gaveUp
	if !errors.As(err, &why) {
		return err
	}
	r.app.complain("%s is not known to be back: %s (%s); the drain and the reboot stay in force", nameOf(r.m), string(why), r.words())
	r.app.hint("fleetctl undrain %s ends the drain, and keeps the machine from being rebooted if it was not yet", r.m.ID.Short())
	return ended(exitTimeout)
}

// follow takes in what is new of the machine, until it is there again under another boot and may be given units.
func (r *reboot) follow(ctx context.Context, p picture) (again time.Duration) {
	if p.broken != nil {
		return 0
	}
	m, known := p.machine(r.m.ID)
	here := known && !isAway(m)
	switch {
	case here && m.BootID != r.boot:
		r.reborn(m)
		return 0
	case here && m.Drain == nil:
		return r.perhaps("undrained", func() { r.fail(exitRefused, "is not drained any more: somebody has ended that before it was rebooted") })
	case here:
		r.what = ""
		r.m = m
		r.leave(ctx, m.Drain)
		r.wait(m.Drain)
		if len(m.Drain.Moving) == 0 {
			r.emptied(m)
		}
		return 0
	case !r.down:
		r.noteEmpty()
		r.down, r.doing = true, "waiting for it to come back"
		r.app.say("%s has gone down", nameOf(r.m))
	}
	return 0
}

// emptied tells once that all that can leave has left.
func (r *reboot) emptied(m api.Machine) {
	if !r.empty.IsZero() {
		return
	}
	if n := len(m.Drain.Stuck); n > 0 {
		r.app.complain("%s that cannot leave %s with the machine: %s", count(n, "unit"), stops(n), r.rest())
	}
	r.noteEmpty()
}

func stops(n int) string {
	if n == 1 {
		return "stops"
	}
	return "stop"
}

func (r *reboot) noteEmpty() {
	if !r.empty.IsZero() {
		return
	}
	r.empty, r.doing = time.Now(), "waiting for its fleetd to reboot it"
	r.app.say("%s has nothing left that can leave, after %s; it is rebooted now", nameOf(r.m), ago(r.empty.Sub(r.begun)))
}

// reborn takes in a machine under another boot.
func (r *reboot) reborn(m api.Machine) {
	r.noteEmpty()
	r.m, r.doing = m, "back, and "+machineState(m)
	switch m.State {
	case cluster.StateReady, cluster.StateCordoned, cluster.StateDraining:
		r.ended = true
	}
}

// remain finds out what has to be up on the machine that is back: what is global, and what was there and has not left.
func (r *reboot) remain(ctx context.Context) error {
	var detail api.MachineDetail
	err := r.line.insist(ctx, func(c *api.Client) (err error) {
		detail, err = c.Machine(ctx, r.m.ID)
		return err
	})
	if err != nil {
		return remote(fmt.Errorf("get machine %s: %w", r.m.ID, err))
	}
	stayed := make(map[unit.Name]bool)
	for _, o := range detail.Ordered {
		if o.Global || r.there[o.Name] {
			r.wanted = append(r.wanted, o.Name)
			stayed[o.Name] = r.there[o.Name]
		}
	}
	r.keep(ctx, stayed)
	return nil
}

// settle waits until what stayed on the machine is up again there, and tells whether some of it failed.
func (r *reboot) settle(ctx context.Context) (failed bool, err error) {
	if len(r.wanted) == 0 {
		return false, nil
	}
	var follow *watch
	err = r.line.insist(ctx, func(c *api.Client) (err error) {
		follow, err = openWatch(ctx, c, r.wanted, time.Duration(r.app.requestTimeout))
		return err
	})
	switch {
	case ctx.Err() != nil:
		return false, gaveUp("interrupted")
	case err != nil:
		return false, err
	}
	defer follow.close()
	open := make(map[unit.Name]bool)
	take := func(u api.Unit) {
		switch why, done := back(u, r.m.ID); {
		case !open[u.Name] || !done:
		case why != "":
			failed = true
			delete(open, u.Name)
			r.app.complain("Unit %s is not up again on %s: %s", u.Name, place(r.m.ID, r.m.PrimaryIP, false), why)
		default:
			delete(open, u.Name)
		}
	}
	for _, name := range r.wanted {
		open[name] = true
		u, known := follow.first[name]
		if !known {
			u = api.Unit{Name: name, Absent: true}
		}
		take(u)
	}
	r.doing = "waiting for its units"
	p := newProgress(r.app, len(open))
	defer p.stop()
	for len(open) > 0 {
		select {
		case n := <-follow.news:
			p.clear()
			if n.broken == nil {
				take(n.unit)
			}
		case <-p.due():
			p.show(fmt.Sprintf("%s: waiting for %s", r.m.ID.Short(), slices.Sorted(maps.Keys(open))[0]))
		case <-r.watch.pictures: // it need not be held up
		case <-r.watch.limit:
			return failed, gaveUp("timed out after " + r.watch.after.String())
		case <-ctx.Done():
			return failed, gaveUp("interrupted")
		}
	}
	return failed, nil
}

// back tells whether it is decided what has become of a unit on a machine that was rebooted, and if it is not well, why.
func back(u api.Unit, id cluster.MachineID) (why string, done bool) {
	i := slices.IndexFunc(u.Copies, func(c api.Copy) bool { return c.MachineID == id })
	if u.Absent || i < 0 || !u.Copies[i].Ordered {
		return "", true // it is not to be there any more
	}
	c := u.Copies[i]
	switch {
	case c.ObservedAt.IsZero() || c.Silent:
		return "", false
	case c.Error != "":
		return c.Error, true
	case c.Active == "failed":
		return "failed (result " + c.Result + ")", true
	case c.Generation < u.Generation || c.Active == "activating":
		return "", false
	}
	return "", true
}
