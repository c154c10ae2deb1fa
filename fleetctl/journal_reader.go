package main

import (
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
		all[i] = newUnitJournal(r, u, room, live)
		past[i] = all[i].past
		group.Go(func() {
			if slots != nil {
				slots <- struct{}{}
				defer func() { <-slots }()
			}
			all[i].read(ctx)
		})
	}
	if err := r.showPast(ctx, past); err != nil {
		return err
	}
	following := 0
	for _, u := range all {
		if r.judge(u) {
			following++
		}
	}
	if !r.flags.follow || following == 0 && len(r.unasked) <= 1 {
		return r.bySSH(ctx)
	}
	for _, left := range r.unasked {
		r.show.speaks(left.machine)
	}
	ended := make(chan struct{}) // nothing more can come
	group.Go(func() {
		r.followBySSH(ctx, live)
		if following == 0 {
			close(ended)
		}
	})
	return showLive(ctx, live, ended)
}

// showPast shows what was there, of all units in one sequence.
func (r *journalReader) showPast(ctx context.Context, past []<-chan journal.Line) error {
	if len(past) == 1 || r.options.Lines < 0 {
		if err := journal.Merge(ctx, past, r.show.line); err != nil {
			return remote(err)
		}
		return r.show.flush()
	}
	last := journal.NewTail(r.options.Lines)
	if err := journal.Merge(ctx, past, func(line journal.Line) error { last.Add(line); return nil }); err != nil {
		return remote(err)
	}
	for _, line := range last.Lines() {
		if err := r.show.line(line); err != nil {
			return err
		}
	}
	return r.show.flush()
}

// showLive shows what comes, until that has ended or is interrupted, which is how following ends.
func showLive(ctx context.Context, live <-chan func() error, ended <-chan struct{}) error {
	for {
		select {
		case tell := <-live:
			if err := tell(); err != nil {
				return err
			}
		case <-ended:
			return nil
		case <-ctx.Done():
			return nil
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
