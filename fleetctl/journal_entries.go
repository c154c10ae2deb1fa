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
	_, err = w.out.Write(w.printer.Print(e, w.prefix(cluster.MachineID(e.Machine))))
	return written(err)
}

// text prints at once a line of what a machine's own journalctl writes.
func (w *entryWriter) text(id cluster.MachineID, line string) error {
	if _, err := w.out.WriteString(w.prefix(id) + line + "\n"); err != nil {
		return written(err)
	}
	return w.flush()
}

// prefix is what a line of a machine begins with.
func (w *entryWriter) prefix(id cluster.MachineID) string {
	w.speaks(id)
	if len(w.machines) > 1 && w.printer.ForPeople() {
		return id.Short() + " "
	}
	return ""
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
