package main

import (
	"bytes"
	"context"
	"slices"
	"sync"

	"fleet/api"
	"fleet/cluster"
	"fleet/unit"
)

// unasked is a unit's journal on a machine that could not be asked for it.
type unasked struct {
	unit    unit.Name
	machine cluster.MachineID
}

// leaveToSSH notes a machine to be asked by ssh. One that is not there cannot be reached in any way.
func (r *journalReader) leaveToSSH(u api.Unit, id cluster.MachineID) {
	if !isPresent(r.machines, id) {
		r.code = worse(r.code, exitUnreachable)
		return
	}
	r.unasked = append(r.unasked, unasked{u.Name, id})
}

// bySSH shows one journal after another, each as a journalctl that has fleetctl's own terminal shows it.
func (r *journalReader) bySSH(ctx context.Context) error {
	for _, left := range r.unasked {
		m := r.machineOf(left)
		r.announce(left, m)
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

func (r *journalReader) machineOf(left unasked) api.Machine {
	return r.machines[slices.IndexFunc(r.machines, func(m api.Machine) bool { return m.ID == left.machine })]
}

func (r *journalReader) announce(left unasked, m api.Machine) {
	r.app.complain("-- %s on %s, by ssh --", left.unit, place(m.ID, m.PrimaryIP, false))
}

// followBySSH follows all journals at once, and returns when every ssh has ended. What they write is shown line
// by line, with what comes otherwise.
func (r *journalReader) followBySSH(ctx context.Context, live chan<- func() error) {
	var group sync.WaitGroup
	defer group.Wait()
	for _, left := range r.unasked {
		group.Go(func() { r.followOne(ctx, left, live) })
	}
}

func (r *journalReader) followOne(ctx context.Context, left unasked, live chan<- func() error) {
	m := r.machineOf(left)
	if send(ctx, live, func() error { r.announce(left, m); return nil }) != nil {
		return
	}
	out := &lineWriter{each: func(line string) error {
		return send(ctx, live, func() error { return r.show.text(left.machine, line) })
	}}
	problems := &lineWriter{each: func(line string) error {
		return send(ctx, live, func() error { r.app.complain("%s: %s", left.machine.Short(), line); return nil })
	}}
	err := r.app.sshApart(ctx, m, r.flags.port, r.flags.command(left.unit, r.options), out, problems)
	_, _ = out.end(), problems.end() // they fail only when nobody listens any more
	ended := func() error {
		why := ""
		if err != nil {
			r.code = worse(r.code, exitUnreachable)
			why = ": " + err.Error()
		}
		r.app.complain("-- %s on %s: ssh has ended%s --", left.unit, place(m.ID, m.PrimaryIP, false), why)
		return nil
	}
	_ = send(ctx, live, ended)
}

// lineWriter hands on what is written, line by line.
type lineWriter struct {
	each func(line string) error
	part []byte // of a line that has not ended
}

// Write implements io.Writer.
func (w *lineWriter) Write(p []byte) (int, error) {
	w.part = append(w.part, p...)
	for {
		line, rest, whole := bytes.Cut(w.part, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		w.part = rest
		if err := w.each(string(line)); err != nil {
			return 0, err
		}
	}
}

// end hands on a last line that nothing ends.
func (w *lineWriter) end() error {
	if len(w.part) == 0 {
		return nil
	}
	return w.each(string(w.part))
}
