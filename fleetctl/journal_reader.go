package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"fleet/api"
	"fleet/cluster"
	"fleet/journal"
	"fleet/unit"
)

// manyLines are more than are kept of each of many units.
const manyLines = 1000

// journalReader reads the journals of some units, each through a request of its own, and shows them as one.
type journalReader struct {
	app      *app
	client   *api.Client
	flags    journaling
	options  api.JournalOptions
	units    []api.Unit
	machines []api.Machine
	names    map[cluster.MachineID]string // addresses of machines
	show     *entryWriter
	began    time.Time

	code    exitCode
	unasked []unasked // what is left to ssh
}

// unasked is a unit's journal on a machine that could not be asked for it.
type unasked struct {
	unit    unit.Name
	machine cluster.MachineID
}

// unitJournal is one unit's stream.
type unitJournal struct {
	unit api.Unit
	past chan journal.Line // what was there; closed when it was told, or cannot be

	cursors map[cluster.MachineID]string

	// Valid when past is closed.
	err    error
	errors []api.JournalNote
}

// choose takes the units that there can be something of. Of a destroyed unit that is on some machine, which only the user can name.
func (r *journalReader) choose(s *selection) {
	elsewhere := r.options.Everywhere || r.options.Machine != ""
	for _, u := range s.units {
		if s.globbed[u.Name] && (u.Name.IsTemplate() || len(u.Copies) == 0 && !elsewhere && !r.flags.follow) {
			continue // a pattern means what there is something of
		}
		if len(u.Copies) == 0 && !elsewhere && !r.flags.follow {
			r.app.complain("Unit %s is on no machine now; --everywhere shows what it wrote before.", u.Name)
			r.code = worse(r.code, exitRefused)
			continue
		}
		r.units = append(r.units, u)
		for _, c := range u.Copies {
			if c.Presence != cluster.Lost && !elsewhere {
				r.show.speaks(c.MachineID)
			}
		}
	}
	if !elsewhere {
		return
	}
	for _, m := range r.machines {
		if r.options.Everywhere {
			r.show.speaks(m.ID)
		}
	}
	s.missing = slices.DeleteFunc(s.missing, func(arg string) bool {
		name, err := parseName(arg)
		if isGlob(arg) || err != nil {
			return false
		}
		r.units = append(r.units, api.Unit{Name: name})
		return true
	})
}

func (r *journalReader) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	live := make(chan func() error)
	all := make([]*unitJournal, len(r.units))
	past := make([]<-chan journal.Line, len(r.units))
	// Where every channel holds all that comes, not all units need be read at the same time.
	room := 64
	var slots chan struct{}
	if lines := r.options.Lines; lines >= 0 && lines <= manyLines && !r.flags.follow {
		room, slots = lines, make(chan struct{}, parallel)
	}
	for i, u := range r.units {
		all[i] = &unitJournal{unit: u, past: make(chan journal.Line, room), cursors: make(map[cluster.MachineID]string)}
		past[i] = all[i].past
		group.Go(func() {
			if slots != nil {
				slots <- struct{}{}
				defer func() { <-slots }()
			}
			r.read(ctx, all[i], live)
		})
	}
	show := r.show.line
	tail := journal.NewTail(r.options.Lines)
	last := len(all) > 1 && r.options.Lines >= 0
	if last {
		show = func(line journal.Line) error { tail.Add(line); return nil }
	}
	if err := journal.Merge(ctx, past, show); err != nil {
		return remote(err)
	}
	if last {
		for _, line := range tail.Lines() {
			if err := r.show.line(line); err != nil {
				return err
			}
		}
	}
	if err := r.show.flush(); err != nil {
		return err
	}
	following := 0
	for _, u := range all {
		if r.judge(u) {
			following++
		}
	}
	if following == 0 || !r.flags.follow {
		return r.bySSH(ctx)
	}
	for {
		select {
		case tell := <-live:
			if err := tell(); err != nil {
				return err
			}
		case <-ctx.Done():
			return nil // this is how it is ended
		}
	}
}

// judge says what is wrong with a unit's journal, and whether there is a stream.
func (r *journalReader) judge(u *unitJournal) bool {
	for _, n := range u.errors {
		r.app.complain("%s: %s", u.unit.Name, n.Error)
		if r.flags.follow {
			continue // it is tried again
		}
		r.leaveToSSH(u.unit, n.MachineID)
	}
	if u.err == nil {
		return true
	}
	r.app.complain("%s: %v", u.unit.Name, u.err)
	if h := hint(u.err); h != "" {
		r.app.hint("%s", h)
	}
	var answer *api.Error
	if errors.As(u.err, &answer) && answer.Code == http.StatusBadGateway {
		if r.options.Machine != "" {
			r.leaveToSSH(u.unit, r.options.Machine)
			return false
		}
		for _, c := range u.unit.Copies {
			r.leaveToSSH(u.unit, c.MachineID)
		}
		return false
	}
	r.code = worse(r.code, remoteCode(u.err))
	return false
}

// leaveToSSH notes a machine to be asked by ssh. One that is not there cannot be reached in any way.
func (r *journalReader) leaveToSSH(u api.Unit, id cluster.MachineID) {
	if !isPresent(r.machines, id) {
		r.code = worse(r.code, exitUnreachable)
		return
	}
	r.unasked = append(r.unasked, unasked{u.Name, id})
}

func (r *journalReader) bySSH(ctx context.Context) error {
	for _, left := range r.unasked {
		i := slices.IndexFunc(r.machines, func(m api.Machine) bool { return m.ID == left.machine })
		m := r.machines[i]
		r.app.complain("-- %s on %s, by ssh --", left.unit, place(m.ID, m.PrimaryIP, false))
		err := r.app.sshTo(ctx, m, r.flags.port, r.flags.command(left.unit, r.options))
		if err != nil && len(r.unasked) == 1 && r.code == exitOK {
			return err
		}
		if err != nil {
			r.code = worse(r.code, exitUnreachable)
		}
	}
	return nil
}

// read is one unit's stream, from its beginning, and with --follow for ever.
func (r *journalReader) read(ctx context.Context, u *unitJournal, live chan<- func() error) {
	inPast := true
	endPast := func(err error) {
		if inPast {
			u.err, inPast = err, false
			close(u.past)
		}
	}
	tell := func(what func() error) error {
		select {
		case live <- what:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	said := "" // why the stream broke
	stream := func(ctx context.Context, inStep func()) error {
		o := r.options
		if !inPast {
			o = r.again(u)
		}
		return r.client.Journal(ctx, u.unit.Name, o, func(item api.JournalItem) error {
			if item.Note == nil {
				at, cursor := journal.Scan(item.Entry)
				machine := journal.MachineOf(item.Entry)
				line := journal.Line{Machine: machine, At: at, JSON: bytes.Clone(item.Entry)}
				var err error
				if inPast {
					select {
					case u.past <- line:
					case <-ctx.Done():
						err = ctx.Err()
					}
				} else {
					err = tell(func() error { return r.show.now(line) })
				}
				if err == nil {
					u.cursors[cluster.MachineID(machine)] = cursor
				}
				return err
			}
			n := *item.Note
			switch {
			case n.Type == api.NoteBegin:
				if _, known := u.cursors[n.MachineID]; !known {
					u.cursors[n.MachineID] = ""
				}
			case n.Type == api.NoteLive:
				endPast(nil)
				inStep()
				said = ""
			case n.Type == api.NoteError && inPast:
				u.errors = append(u.errors, n)
			default:
				if n.Type == api.NoteLeft {
					delete(u.cursors, n.MachineID)
				}
				return tell(func() error { r.comment(u.unit.Name, n); return nil })
			}
			return nil
		})
	}
	if !r.flags.follow {
		endPast(stream(ctx, func() {}))
		return
	}
	endPast(reopen(ctx, stream, func(err error) error {
		if err.Error() == said {
			return nil // it is no news
		}
		said = err.Error()
		return tell(func() error {
			r.app.complain("-- %s: the stream broke, going on as soon as it is there again: %v --", u.unit.Name, err)
			return nil
		})
	}))
}

// again asks for what comes after what was seen.
func (r *journalReader) again(u *unitJournal) api.JournalOptions {
	o := r.options
	o.Cursors = u.cursors
	if o.Lines == 0 {
		o.Since = r.began // of machines that have written nothing yet
	}
	o.Lines = journal.All
	if len(o.Cursors) == 0 {
		o.Placed = true // wherever the unit is now, it was not there before
	}
	return o
}

// comment tells what happens to the stream of a unit.
func (r *journalReader) comment(name unit.Name, n api.JournalNote) {
	where := place(n.MachineID, r.names[n.MachineID], false)
	switch n.Type {
	case api.NoteJoined:
		r.show.speaks(n.MachineID)
		r.app.complain("-- %s is on %s --", name, where)
	case api.NoteLeft:
		r.app.complain("-- %s has left %s --", name, where)
	case api.NoteError:
		r.app.complain("-- %s: %s --", name, n.Error)
	}
}
