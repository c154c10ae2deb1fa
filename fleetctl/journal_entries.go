package main

import (
	"bufio"

	"fleet/cluster"
	"fleet/journal"
)

// entryWriter prints entries. Once there is more than one machine, lines for people say whose they are.
type entryWriter struct {
	printer  journal.Printer
	out      *bufio.Writer
	machines map[cluster.MachineID]bool
}

func newEntryWriter(a *app, printer journal.Printer) *entryWriter {
	if a.colour(a.stdout) {
		printer.Paint = func(priority int, line string) string { return a.paint(a.stdout, priorityStyle(priority), line) }
	}
	return &entryWriter{printer: printer, out: bufio.NewWriter(a.stdout), machines: make(map[cluster.MachineID]bool)}
}

func priorityStyle(priority int) style {
	switch {
	case priority <= 3:
		return red
	case priority == 4:
		return yellow
	case priority == 5:
		return bold
	case priority == 7:
		return faint
	}
	return plain
}

func (w *entryWriter) speaks(id cluster.MachineID) { w.machines[id] = true }

// line prints an entry that may wait for others.
func (w *entryWriter) line(line journal.Line) error {
	e, err := journal.Parse(line.JSON)
	if err != nil {
		return &fault{exitError, err}
	}
	id := cluster.MachineID(e.Machine)
	w.speaks(id)
	prefix := ""
	if len(w.machines) > 1 && w.printer.ForPeople() {
		prefix = id.Short() + " "
	}
	_, err = w.out.Write(w.printer.Print(e, prefix))
	return written(err)
}

// now prints an entry at once.
func (w *entryWriter) now(line journal.Line) error {
	if err := w.line(line); err != nil {
		return err
	}
	return w.flush()
}

func (w *entryWriter) flush() error {
	return written(w.out.Flush())
}
