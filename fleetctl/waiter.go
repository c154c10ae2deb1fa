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

// waiter is the end of a command: it takes in what the watch tells until every request has ended.
type waiter struct {
	app    *app
	watch  *watch
	open   map[unit.Name]*request
	all    int // how many there were at first
	newest map[unit.Name]api.Unit
	held   map[unit.Name]time.Time // ended well, and watched until then for a death right after the start
	wants  map[unit.Name]bool      // have no machine because of others of this command, which may get one yet
	broken error                   // why nothing can be seen now; nil if something can
	code   exitCode
	worst  map[exitCode]*request // the first that ended so
}

func newWaiter(a *app, w *watch, requests []*request) *waiter {
	x := &waiter{
		app:    a,
		watch:  w,
		open:   make(map[unit.Name]*request, len(requests)),
		all:    len(requests),
		newest: maps.Clone(w.first),
		held:   make(map[unit.Name]time.Time),
		wants:  make(map[unit.Name]bool),
		worst:  make(map[exitCode]*request),
	}
	for _, r := range requests {
		x.open[r.unit] = r
	}
	return x
}

// wait tells of each request as it ends, and returns the worst of their exit
// codes. A limit of zero is no limit.
func (x *waiter) wait(ctx context.Context, limit time.Duration) exitCode {
	for _, name := range slices.Sorted(maps.Keys(x.open)) {
		r := x.open[name]
		u, known := x.newest[name]
		if !known && r.milestone != nil {
			u, known = api.Unit{Name: name, Absent: true}, true // nothing is told of it among all units
		}
		// A unit that was not there has just been submitted.
		if known && (!u.Absent || r.expectsNone()) {
			x.take(u)
		}
	}
	var timeout <-chan time.Time
	if limit > 0 {
		timeout = time.After(limit)
	}
	progress := newProgress(x.app, len(x.open))
	defer progress.stop()
	for len(x.open) > 0 {
		progress.again(x.progress)
		select {
		case n := <-x.watch.news:
			progress.clear()
			x.broken = n.broken
			if n.broken == nil {
				x.hear(ctx, n.unit)
			}
		case <-x.release():
			progress.clear()
			x.settle(time.Now())
		case <-progress.due():
			progress.show(x.progress())
		case <-timeout:
			progress.clear()
			x.giveUp("timed out after " + limit.String())
		case <-ctx.Done():
			progress.clear()
			x.giveUp("interrupted")
		}
		x.lookAgain()
	}
	progress.clear()
	x.advise()
	return x.code
}

// hear takes in an event. One that says that a unit does not exist may be from
// before the request that submitted it, and has no generation to tell; the unit itself is asked for then.
func (x *waiter) hear(ctx context.Context, u api.Unit) {
	r, open := x.open[u.Name]
	if open && u.Absent && !r.expectsNone() {
		now, err := x.watch.client.Unit(ctx, u.Name)
		if err == nil {
			u = now
		} else if !errors.Is(err, api.ErrNotFound) {
			return // the stream has broken too, and says so
		}
	}
	x.take(u)
}

// take judges what is new of a unit.
func (x *waiter) take(u api.Unit) {
	x.newest[u.Name] = u
	r, open := x.open[u.Name]
	if !open {
		return
	}
	v, ended := r.judge(u)
	delete(x.wants, u.Name)
	if !ended {
		return
	}
	if v.code == exitNowhere && r.milestone == nil && x.hangsOn(u) {
		x.wants[u.Name] = true
		return
	}
	if v.code == exitOK && r.starts() {
		if _, held := x.held[u.Name]; held {
			return // until it is released
		}
		if left := fresh(u); left > 0 {
			x.held[u.Name] = time.Now().Add(left)
			return
		}
	}
	x.end(r, v)
}

// hangsOn tells whether a unit has no machine because another one, which is still
// waited for, has none yet: "start announce web" is in no hurry to say that
// announce goes with web, which is not placed.
func (x *waiter) hangsOn(u api.Unit) bool {
	return u.Pending != nil && slices.ContainsFunc(u.Pending.Peers, func(peer unit.Name) bool {
		_, open := x.open[peer]
		return open
	})
}

// lookAgain ends the requests that hung on others which have ended, and those that hang on nothing but each other.
func (x *waiter) lookAgain() {
	circle := len(x.wants) == len(x.open)
	for _, name := range slices.Sorted(maps.Keys(x.wants)) {
		if v, ended := x.open[name].judge(x.newest[name]); ended && (circle || !x.hangsOn(x.newest[name])) {
			x.end(x.open[name], v)
		}
	}
}

// release rings when the first of the units that are held may be let go.
func (x *waiter) release() <-chan time.Time {
	var first time.Time
	for _, at := range x.held {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(time.Until(first))
}

// settle ends the requests whose units have lived long enough.
func (x *waiter) settle(now time.Time) {
	for _, name := range slices.Sorted(maps.Keys(x.held)) {
		if x.held[name].After(now) {
			continue
		}
		delete(x.held, name)
		r := x.open[name]
		if v, ended := r.judge(x.newest[name]); ended {
			x.end(r, v)
		}
	}
}

func (x *waiter) end(r *request, v verdict) {
	delete(x.open, r.unit)
	delete(x.held, r.unit)
	delete(x.wants, r.unit)
	x.code = worse(x.code, v.code)
	if v.code == exitOK {
		x.app.say("%s%s", v.line, x.displaced(r))
		return
	}
	x.app.complain("%s", v.line)
	if _, known := x.worst[v.code]; !known {
		x.worst[v.code] = r
	}
}

// advise tells where to look after units that did not end well.
func (x *waiter) advise() {
	r := x.worst[x.code]
	switch {
	case r == nil:
	case x.code == exitFailed:
		x.app.hint("fleetctl status %s and fleetctl journal %[1]s say more", r.unit)
	case x.code == exitNowhere:
		x.app.hint("fleetctl explain %s says why, and what would help", r.unit)
	case x.code == exitTimeout && r.milestone != nil:
		x.app.hint("fleetctl wait --for=%s %s goes on waiting", r.milestone.name, r.unit)
	case x.code == exitTimeout:
		x.app.hint("fleetctl wait %s goes on waiting", r.unit)
	}
}

// displaced admits that others had to make way for a unit that was started.
func (x *waiter) displaced(r *request) string {
	if !r.starts() {
		return ""
	}
	for _, c := range live(x.newest[r.unit]) {
		before := slices.ContainsFunc(live(x.watch.first[r.unit]), func(o api.Copy) bool { return o.MachineID == c.MachineID })
		if !before && strings.HasPrefix(c.Reason, "takes the place of") {
			return "; it " + c.Reason
		}
	}
	return ""
}

// giveUp ends all requests that are open, without knowing how they will end.
func (x *waiter) giveUp(why string) {
	x.settle(time.Now().Add(grace)) // what has only to prove itself is as good as ended
	for _, name := range slices.Sorted(maps.Keys(x.open)) {
		if v, ended := x.open[name].judge(x.newest[name]); x.wants[name] && ended {
			x.end(x.open[name], v)
			continue
		}
		r := x.open[name]
		line := fmt.Sprintf("Unit %s is not known to be %s: %s (%s); the request stays in force", name, r.goal, why, x.missing(name))
		if r.milestone != nil {
			line = fmt.Sprintf("Unit %s is not %s: %s (%s)", name, r.goal, why, x.missing(name))
		}
		x.end(r, verdict{exitTimeout, line})
	}
}

// missing is what is waited for.
func (x *waiter) missing(name unit.Name) string {
	if x.broken != nil {
		return x.broken.Error()
	}
	u := x.newest[name]
	phase, message := outcome(u)
	switch {
	case message != "":
		return inFull(message, u.Copies)
	case x.open[name].milestone != nil && phase == cluster.Done && !u.Absent:
		return "it is " + states(u)
	}
	return "waiting for the cluster to act"
}

// states are what systemd says of a unit, machine by machine.
func states(u api.Unit) string {
	var all []string
	for _, c := range live(u) {
		all = append(all, fmt.Sprintf("%s (%s) on %s", c.Active, c.Sub, place(c.MachineID, c.Address, false)))
	}
	if len(all) == 0 {
		return "on no machine"
	}
	return strings.Join(all, ", ")
}

func (x *waiter) progress() string {
	names := slices.Sorted(maps.Keys(x.open))
	text := fmt.Sprintf("%s: %s", names[0], x.missing(names[0]))
	if x.all > 1 {
		text = fmt.Sprintf("%d/%d done; waiting for %s", x.all-len(names), x.all, text)
	}
	return text
}
