package api

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"fleet/cluster"
	"fleet/journal"
	"fleet/unit"
)

// dialing is how many machines are being reached at the same time for one request.
const dialing = 16

// errNowhere: the unit exists and has no copy whose journal could be shown.
func errNowhere(name unit.Name) *Error {
	return conflict("unit %s is on no machine now; GET units/%s/journal?everywhere=true has what it wrote before", name, url.PathEscape(string(name)))
}

// getJournal shows what a unit wrote, on every machine that has it.
func (s *Server) getJournal(w http.ResponseWriter, r *http.Request, rawName string) error {
	name, err := parseName(rawName)
	if err != nil {
		return err
	}
	query, err := s.journalParameters(r)
	if err != nil {
		return err
	}
	forwarded, err := s.aboutSystemd(r, query)
	if err != nil {
		return err
	}
	request, err := parseJournal(query, forwarded, time.Now())
	if err != nil {
		return err
	}
	release, err := s.occupy(w, r)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := s.whileServing(r.Context())
	defer cancel()
	out := newJournalOut(w, request)
	if forwarded {
		return s.localJournal(ctx, name, request, out)
	}
	l, _ := s.cache().listen(filter{names: []unit.Name{name}}, false, false, 0)
	defer s.cache().unlisten(l)
	copies, err := s.journalCopies(name, request)
	if err != nil {
		return err
	}
	copies = s.withFormer(copies, request)
	if r.Method == http.MethodHead {
		out.start()
		return nil
	}
	defer out.pinging(ctx)()
	reading, err := s.readJournals(ctx, name, request, copies, out)
	if err != nil {
		return s.brokeOff(err)
	}
	if !request.query.Follow {
		return s.brokeOff(out.flush())
	}
	f := newFollower(s, name, request, out, reading)
	return s.brokeOff(f.run(ctx, l))
}

// whileServing is ctx until the server ends.
func (s *Server) whileServing(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with the request
		select {
		case <-s.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// localJournal answers another fleetd.
func (s *Server) localJournal(ctx context.Context, name unit.Name, request journalRequest, out *journalOut) error {
	q := request.query
	q.After, out.bare = request.cursors[s.o.Machine], true
	if err := out.flush(); err != nil {
		return s.brokeOff(err)
	}
	defer out.pinging(ctx)()
	err := s.o.Local.Journal(ctx, name, q, func(line []byte) error { return out.line(journal.Line{JSON: line}, q.Follow) })
	if err != nil && ctx.Err() == nil {
		err = out.note(JournalNote{Type: NoteError, MachineID: s.o.Machine, Error: err.Error()})
	} else {
		err = out.flush()
	}
	return s.brokeOff(err)
}

// brokeOff keeps an error of a stream that has begun from being answered: there is nobody to tell.
func (s *Server) brokeOff(err error) error {
	var answer *Error
	if err == nil || errors.As(err, &answer) {
		return err
	}
	s.o.Logger.Debug("journal broke off", "err", err)
	return nil
}

// journalCopies are the copies whose journals are asked for, by machine.
func (s *Server) journalCopies(name unit.Name, request journalRequest) ([]cluster.Copy, error) {
	if request.machine != "" {
		return []cluster.Copy{{Machine: request.machine, Presence: s.presence(request.machine)}}, nil
	}
	var (
		st  cluster.Status
		all []cluster.Copy
	)
	s.cache().read(func(v view) {
		st = v.Status(name)
		if request.everywhere {
			for _, id := range v.Machines() {
				all = append(all, cluster.Copy{Machine: id, Presence: cluster.Present})
			}
		}
	})
	switch {
	case request.everywhere:
		for _, c := range st.Copies {
			if c.Presence == cluster.Lost {
				all = append(all, c)
			}
		}
		slices.SortFunc(all, func(a, b cluster.Copy) int { return strings.Compare(string(a.Machine), string(b.Machine)) })
		return all, nil
	case !st.Exists && len(st.Copies) == 0:
		return nil, errNoUnit()
	case len(st.Copies) == 0 && !request.query.Follow:
		return nil, errNowhere(name)
	}
	return st.Copies, nil
}

// withFormer adds the machines that a reader who continues has read: the unit may have left them
// since, after it wrote what the reader has not seen.
func (s *Server) withFormer(copies []cluster.Copy, request journalRequest) []cluster.Copy {
	if request.machine != "" {
		return copies
	}
	for _, id := range slices.Sorted(maps.Keys(request.cursors)) {
		if !slices.ContainsFunc(copies, func(c cluster.Copy) bool { return c.Machine == id }) {
			copies = append(copies, cluster.Copy{Machine: id, Presence: s.presence(id)})
		}
	}
	return copies
}

func (s *Server) presence(id cluster.MachineID) cluster.Presence {
	presence := cluster.Lost
	s.cache().read(func(v view) {
		if _, there := v.Machine(id); there {
			presence = cluster.Present
		}
	})
	return presence
}

// reading is how far the journal of one machine was read.
type reading struct {
	machine cluster.MachineID
	query   journal.Query // what was asked for
	lines   chan journal.Line

	// Valid when lines is closed.
	cursor string // of the last entry that was read; empty: there was none
	err    error
}

// readJournals shows what the machines have now, merged. It fails if no machine that is there could be asked.
func (s *Server) readJournals(ctx context.Context, name unit.Name, request journalRequest, copies []cluster.Copy, out *journalOut) ([]*reading, error) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	slots := make(chan struct{}, dialing)
	all := make([]*reading, len(copies))
	channels := make([]<-chan journal.Line, len(copies))
	for i, c := range copies {
		r := &reading{machine: c.Machine, query: request.first(c.Machine), lines: make(chan journal.Line, 64)}
		all[i], channels[i] = r, r.lines
		out.speaks(c.Machine)
		group.Go(func() {
			defer close(r.lines)
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				r.err = ctx.Err()
				return
			}
			r.err = s.readJournal(ctx, name, r, sync.OnceFunc(func() { <-slots }))
		})
	}
	show := out.merged
	tail := journal.NewTail(request.query.Lines)
	last := len(copies) > 1 && request.query.Lines >= 0
	if last {
		show = func(line journal.Line) error { tail.Add(line); return nil }
	}
	if err := journal.Merge(ctx, channels, show); err != nil {
		return nil, err
	}
	if err := failure(all, copies, request.query.Follow); err != nil && !out.started() {
		return nil, err
	}
	if last {
		for _, line := range tail.Lines() {
			if err := out.merged(line); err != nil {
				return nil, err
			}
		}
	}
	return all, out.read(all, request.query.Follow)
}

// readJournal sends what one machine has now. opened is called when the machine has answered.
func (s *Server) readJournal(ctx context.Context, name unit.Name, r *reading, opened func()) error {
	defer opened()
	source, err := s.systemdOf(r.machine)
	if err != nil {
		return err
	}
	if r.query.Lines == 0 {
		return nil // it is asked only to follow
	}
	return source.Journal(ctx, name, r.query, func(line []byte) error {
		opened()
		l, cursor := lineOf(r.machine, line)
		select {
		case r.lines <- l:
			r.cursor = cursor
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// lineOf copies a line, which belongs to whoever handed it over.
func lineOf(id cluster.MachineID, raw []byte) (line journal.Line, cursor string) {
	at, cursor := journal.Scan(raw)
	return journal.Line{Machine: string(id), At: at, JSON: slices.Clone(raw)}, cursor
}

// failure is the answer when nobody could be asked. Who follows waits for a lost machine's unit to come up elsewhere.
func failure(all []*reading, copies []cluster.Copy, follow bool) error {
	var reasons []string
	for i, r := range all {
		if r.err == nil || follow && copies[i].Presence != cluster.Present {
			return nil
		}
		reasons = append(reasons, r.err.Error())
	}
	if len(reasons) == 0 {
		return nil
	}
	return &Error{http.StatusBadGateway, strings.Join(reasons, "; ")}
}
