package agent

import (
	"context"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"fleet/agent/reconcile"
	"fleet/cluster"
	"fleet/unit"
)

const (
	// maxReport is the size above which a report does without log lines and
	// whole errors: the store refuses records of more than 1.5 MiB.
	maxReport = 1 << 20
	// unitSize is about what a unit takes in a report, without its texts.
	unitSize = 512
	maxError = 1024 // bytes of an error
	minError = 64   // bytes that are left of it however many there are
)

// show brings the views of some units up to date, and has what is new reported. Steps under way are
// waited for a while: most starts and stops are reported once, and those that come together in one report. The caller holds the board's lock.
func (a *Agent) show(ctx context.Context, some []unit.Name) {
	b := &a.board
	news := false
	for _, name := range some {
		complete := a.excerpt(ctx, name)
		if view, shown := b.views[name]; !complete && shown && !b.obsolete(name, view) || !b.show(name) {
			continue
		}
		news = true
	}
	news = b.take() || news
	switch {
	case news && len(b.Busy) == 0 && !b.unread():
		a.tell.ring()
	case news && !b.telling:
		b.telling = true
		time.AfterFunc(reportWait(reportSteps, b.reporting), func() {
			b.Lock()
			b.telling = false
			b.Unlock()
			a.tell.ring()
		})
	}
}

// unread tells whether the state of a unit that is ordered has not been read yet.
func (b *board) unread() bool {
	if !b.Obeys() {
		return false
	}
	for name := range b.Orders.Units {
		if _, read := b.States[name]; !read {
			return true
		}
	}
	return false
}

// take notes which orders the views take into account, and tells whether they are others than before.
func (b *board) take() bool {
	now := int64(0)
	if b.Obeys() {
		now = b.Orders.Revision
	}
	before := b.taken
	b.taken = now
	return now != before
}

// obsolete tells whether a view is about an order that the unit has no longer. Its error must not be reported
// together with the revision of the orders without the unit: it would be taken for what came of them. No log is waited for.
func (b *board) obsolete(name unit.Name, view cluster.UnitReport) bool {
	_, ordered := b.order(name)
	return !ordered && b.Obeys() && view.Tried != 0
}

func (b *board) showAll() {
	for _, name := range b.known() {
		b.show(name)
	}
}

// show brings the view of one unit up to date, and tells whether it differs.
func (b *board) show(name unit.Name) bool {
	old, had := b.views[name]
	now, has := b.view(name)
	if !has {
		delete(b.views, name)
		return had
	}
	b.views[name] = now
	return !had || !old.Equal(now)
}

// view is what the report says of a unit. It has every unit that is here in
// any way: a unit that the report lacks may be started on another machine.
func (b *board) view(name unit.Name) (cluster.UnitReport, bool) {
	state, seen := b.States[name]
	if !seen {
		return cluster.UnitReport{}, false
	}
	_, ordered := b.order(name)
	_, busy := b.Busy[name]
	file, memory := b.Files[name], b.Memory[name]
	orphan := memory.Content != "" && state.Running() // somebody removed its file
	if !ordered && !busy && file == "" && !orphan {
		return cluster.UnitReport{}, false
	}
	failure := memory.Failure
	if !ordered && failure.Generation != 0 {
		failure = reconcile.Failure{} // of a step that nobody wants any more
	}
	return cluster.UnitReport{
		State:      state,
		Content:    file,
		Generation: memory.Generation,
		Tried:      max(memory.Tried, memory.Generation),
		Job:        memory.Job,
		Error:      shorten(failure.Error, maxError),
		Log:        b.logs[name].lines,
	}, true
}

// compose makes a report out of the views.
func (a *Agent) compose() cluster.Report {
	b := &a.board
	b.Lock()
	defer b.Unlock()
	r := cluster.Report{
		Machine: a.o.Machine,
		Session: b.Session,
		Orders:  b.taken,
		Units:   maps.Clone(b.views),
		At:      a.o.Now(),
	}
	fit(r.Units)
	return r
}

// fit makes a report small enough for the store: errors are cut if they are too long
// together, and in the order of names, those logs are kept for which there is room.
func fit(units map[unit.Name]cluster.UnitReport) {
	room, errors, failing, logs := maxReport, 0, 0, 0
	for name, u := range units {
		room -= unitSize + 2*len(name)
		logs += size(u.Log)
		if u.Error != "" {
			errors += len(u.Error)
			failing++
		}
	}
	if errors > room && failing > 0 {
		errors = cutErrors(units, max(room/failing, minError))
	}
	room -= errors
	if logs <= room {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(units)) {
		u := units[name]
		if lines := size(u.Log); lines <= room {
			room -= lines
			continue
		}
		u.Log = nil
		units[name] = u
	}
}

// cutErrors returns how long all errors are now.
func cutErrors(units map[unit.Name]cluster.UnitReport, most int) (total int) {
	for name, u := range units {
		u.Error = shorten(u.Error, most)
		units[name] = u
		total += len(u.Error)
	}
	return total
}

func size(lines []string) int {
	n := 0
	for _, line := range lines {
		n += len(line) + 3
	}
	return n
}

// sameReport tells whether two reports say the same, whenever they were written.
func sameReport(a, b cluster.Report) bool {
	return a.Session == b.Session && a.Orders == b.Orders &&
		maps.EqualFunc(a.Units, b.Units, cluster.UnitReport.Equal)
}

// shorten cuts a text after so many bytes, between characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
