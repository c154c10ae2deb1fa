package registry

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// writer makes the JSON of orders and reports, byte for byte as encoding/json makes it of their records, for less.
type writer struct {
	text []byte
	err  error
}

// key begins a field of an object that has begun with '{'.
func (w *writer) key(name string) {
	if last := w.text[len(w.text)-1]; last != '{' {
		w.text = append(w.text, ',')
	}
	w.text = append(w.text, '"')
	w.text = append(w.text, name...)
	w.text = append(w.text, '"', ':')
}

func (w *writer) begin() { w.text = append(w.text, '{') }
func (w *writer) end()   { w.text = append(w.text, '}') }

func (w *writer) integer(name string, n int64) {
	w.key(name)
	w.text = strconv.AppendInt(w.text, n, 10)
}

// The others leave out what is zero.

func (w *writer) number(name string, n int64) {
	if n != 0 {
		w.integer(name, n)
	}
}

func (w *writer) bool(name string, is bool) {
	if is {
		w.key(name)
		w.text = append(w.text, "true"...)
	}
}

func (w *writer) string(name, text string) {
	if text != "" {
		w.key(name)
		w.quote(text)
	}
}

func (w *writer) strings(name string, all []string) {
	if len(all) == 0 {
		return
	}
	w.key(name)
	w.text = append(w.text, '[')
	for i, text := range all {
		if i > 0 {
			w.text = append(w.text, ',')
		}
		w.quote(text)
	}
	w.text = append(w.text, ']')
}

func (w *writer) time(name string, t time.Time) {
	if t.IsZero() {
		return
	}
	w.key(name)
	w.text = append(w.text, '"')
	text, err := t.AppendText(w.text)
	if err != nil {
		w.err = fmt.Errorf("%s: %w", name, err)
		return
	}
	w.text = append(text, '"')
}

func (w *writer) quote(text string) {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			quoted, err := json.Marshal(text)
			if err != nil {
				w.err = err
			}
			w.text = append(w.text, quoted...)
			return
		}
	}
	w.text = append(w.text, '"')
	w.text = append(w.text, text...)
	w.text = append(w.text, '"')
}

// open begins a record.
func (w *writer) open(session cluster.Session) {
	w.begin()
	w.integer("v", format)
	w.key("session")
	w.begin()
	w.integer("lease", session.Lease)
	w.key("bootID")
	w.quote(session.BootID)
	w.end()
}

// units writes what a record says of units in the order of their names.
func units[T any](w *writer, key string, all map[unit.Name]T, one func(T)) {
	w.key(key)
	w.begin()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if last := w.text[len(w.text)-1]; last != '{' {
			w.text = append(w.text, ',')
		}
		w.quote(string(name))
		w.text = append(w.text, ':')
		w.begin()
		one(all[name])
		w.end()
	}
	w.end()
}

func (w *writer) done() ([]byte, error) {
	w.end()
	return w.text, w.err
}

func encodeOrders(o cluster.Orders) ([]byte, error) {
	w := writer{text: make([]byte, 0, 128+320*len(o.Units))}
	w.open(o.Session)
	w.number("lease", int64(o.Lease))
	units(&w, "units", o.Units, w.order)
	if len(o.Left) > 0 {
		units(&w, "left", o.Left, func(l cluster.Left) { w.bool("unbound", l.Unbound) })
	}
	return w.done()
}

func (w *writer) order(o cluster.Order) {
	w.key("content")
	w.quote(string(o.Content))
	w.key("desired")
	w.quote(string(o.Desired))
	w.integer("generation", o.Generation)
	w.number("restart", o.Restart)
	w.number("move", o.Move)
	w.bool("global", o.Global)
	w.string("reason", o.Reason)
	w.time("since", o.Since)
	w.number("fence", o.Fence)
	w.bool("freeze", o.Freeze)
	w.bool("unbound", o.Unbound)
	w.string("takes", string(o.Takes))
}

func encodeReport(r cluster.Report) ([]byte, error) {
	w := writer{text: make([]byte, 0, 192+480*len(r.Units))}
	w.open(r.Session)
	w.integer("orders", r.Orders)
	units(&w, "units", r.Units, w.unitReport)
	w.time("at", r.At)
	return w.done()
}

func (w *writer) unitReport(r cluster.UnitReport) {
	w.string("load", r.Load)
	w.string("active", r.Active)
	w.string("sub", r.Sub)
	w.string("result", r.Result)
	w.number("exitStatus", int64(r.ExitStatus))
	w.bool("signaled", r.Signaled)
	w.bool("skipped", r.Skipped)
	w.number("mainPID", int64(r.MainPID))
	w.number("restarts", int64(r.Restarts))
	w.string("invocationID", r.InvocationID)
	w.time("since", r.Since)
	w.string("job", r.State.Job)
	w.string("content", string(r.Content))
	w.number("generation", r.Generation)
	w.number("tried", r.Tried)
	w.string("jobResult", string(r.Job))
	w.string("error", r.Error)
	w.strings("log", r.Log)
}
