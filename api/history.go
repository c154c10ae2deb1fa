package api

import (
	"slices"
	"sort"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// rememberedHappenings bounds a history: a few megabytes.
const rememberedHappenings = 10_000

// history is what has happened since this server began to follow the cluster, as
// far as there is room. Nothing that was there at first has happened.
type history struct {
	limit int
	items []Happening // oldest first, by revision and time
	first int64       // number of the first of items, counted since the beginning

	floor int64     // everything that happened after this revision is remembered,
	begun time.Time // and after this moment

	units map[unit.Name]unitPast // as they were last seen
}

func newHistory() history {
	return history{limit: rememberedHappenings, units: make(map[unit.Name]unitPast)}
}

// begin starts with a cluster as it is.
func (h *history) begin(revision int64, now time.Time) { h.floor, h.begun = revision, now }

// unit takes in what a unit is now, and returns what it was before.
func (h *history) unit(now cluster.Status) (was, is unitPast) {
	was = h.units[now.Name]
	was.Name = now.Name
	is = was.after(now)
	if now.Exists || len(now.Copies) > 0 || now.Pending != nil {
		h.units[now.Name] = is
	} else {
		delete(h.units, now.Name)
	}
	return was, is
}

func (h *history) add(revision int64, now time.Time, happened ...Happening) {
	for _, item := range happened {
		item.Revision, item.Time = revision, now
		h.items = append(h.items, item)
	}
	if over := len(h.items) - h.limit; over > 0 {
		h.floor, h.begun = h.items[over-1].Revision, h.items[over-1].Time
		clear(h.items[:over])
		h.items, h.first = h.items[over:], h.first+int64(over)
	}
}

// end is the number of the happening that comes next.
func (h *history) end() int64 { return h.first + int64(len(h.items)) }

// moment is where a reader begins.
type moment struct {
	revision int64     // behind this one
	time     time.Time // or from here on; of both at most one is set, of none it is the beginning
}

func (m moment) remembered(h *history) bool {
	switch {
	case !m.time.IsZero():
		return !m.time.Before(h.begun)
	case m.revision != 0:
		return m.revision >= h.floor
	}
	return true
}

// behind is the number of the first happening behind a moment.
func (h *history) behind(m moment) int64 {
	return h.first + int64(sort.Search(len(h.items), func(i int) bool {
		if !m.time.IsZero() {
			return !h.items[i].Time.Before(m.time)
		}
		return h.items[i].Revision > m.revision
	}))
}

// from returns what is selected of everything from a number on. If the reader
// was so slow that some of it is forgotten it is told so first.
func (h *history) from(number int64, sel happeningSelection) []Happening {
	var out []Happening
	if number < h.first {
		out = append(out, gap("the reader was too slow: what happened in between is no longer remembered"))
		number = h.first
	}
	for _, item := range h.items[number-h.first:] {
		if sel.has(item) {
			out = append(out, item)
		}
	}
	return out
}

func gap(why string) Happening {
	return Happening{Type: HappenedGap, Severity: SeverityWarning, Message: why}
}

// happeningSelection says which happenings a request is about.
type happeningSelection struct {
	units    filter
	machines []cluster.MachineID // none: all
}

func (sel happeningSelection) has(item Happening) bool {
	switch {
	case item.Type == HappenedGap:
		return true
	case len(sel.machines) > 0 && !slices.Contains(sel.machines, item.MachineID):
		return false
	}
	return !sel.units.ofNames() || item.Unit != "" && sel.units.named(item.Unit)
}
