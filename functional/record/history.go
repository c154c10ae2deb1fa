package record

import (
	"maps"
	"slices"

	"fleet/unit"
)

// fact is what a host's systemd said of a unit at one moment. The times are systemd's.
type fact struct {
	unit        unit.Name
	invocation  string
	active, sub string
	changed     Moment // when it came to be in this state
	left        Moment // when it last left being inactive
	inactive    Moment // when it last came to be inactive
}

// rests tells that the unit has no process: also while systemd waits before it starts it again.
func (f fact) rests() bool {
	return f.active == "inactive" || f.active == "failed" || f.sub == "auto-restart" || f.sub == "auto-restart-queued"
}

// history turns what one host's systemd says, over one boot, into runs. It is not safe for concurrent use.
type history struct {
	host string
	kind func(unit.Name) Kind // asked when a run begins

	open map[unit.Name]*Run
	last map[unit.Name]fact
	over []Run
}

func newHistory(host string, kind func(unit.Name) Kind) *history {
	return &history{host: host, kind: kind, open: make(map[unit.Name]*Run), last: make(map[unit.Name]fact)}
}

// hear takes in a fact. One that is older than what is known of the unit, as an answer may be that was under way while a
// signal came, says nothing.
func (h *history) hear(f fact) {
	before := h.last[f.unit]
	if f.changed < before.changed {
		return
	}
	h.last[f.unit] = f
	run := h.open[f.unit]
	if run != nil && (f.rests() || f.invocation != run.Invocation) {
		// systemd's word may be of an end before the one that was missed; a run ends after it began.
		run.End = max(f.inactive, run.Start)
		h.over = append(h.over, *run)
		delete(h.open, f.unit)
	}
	if f.rests() || f.invocation == "" || h.open[f.unit] != nil {
		return
	}
	start := f.left
	if before.sub != "" && before.rests() && before.active == "activating" || start < before.inactive {
		start = f.changed // from waiting to be started again: it left being inactive long before
	}
	h.open[f.unit] = &Run{Unit: f.unit, Kind: h.kind(f.unit), Host: h.host, Invocation: f.invocation, Start: start}
}

// forgotten: systemd, asked anew, no longer knows the unit. (That it lets go of units, and says so, while it reloads them means nothing.)
func (h *history) forgotten(name unit.Name, at Moment) {
	if run := h.open[name]; run != nil {
		run.End = at
		h.over = append(h.over, *run)
		delete(h.open, name)
	}
	delete(h.last, name)
}

// died: nothing of the host's is left at that moment.
func (h *history) died(at Moment) {
	for _, name := range slices.Sorted(maps.Keys(h.open)) {
		run := h.open[name]
		run.End, run.Died = at, true
		h.over = append(h.over, *run)
	}
	clear(h.open)
	clear(h.last)
}

// runs are all so far.
func (h *history) runs() []Run {
	all := slices.Clone(h.over)
	for _, name := range slices.Sorted(maps.Keys(h.open)) {
		all = append(all, *h.open[name])
	}
	return all
}
