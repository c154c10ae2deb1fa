package record

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"fleet/unit"
)

// Overlap is that two hosts ran one unit at one time.
type Overlap struct {
	First, Second Run
	From          Moment
	For           time.Duration
}

func (o Overlap) String() string {
	return fmt.Sprintf("two copies of %s (%s) ran for %s from %s: %s and %s", o.Second.Unit, o.Second.Kind, o.For, o.From, o.First, o.Second)
}

// Pause is a time in which a whole host stood still, with all that ran on it.
type Pause struct {
	Host     string
	From, To Moment // To 0: it still does
}

// Overlaps finds every two runs of a unit on two hosts that were at one time, except of global units. What runs on still
// does so now. A paused host executes nothing: such time is no overlap.
func Overlaps(runs []Run, pauses []Pause, now Moment) []Overlap {
	var all []Overlap
	for _, of := range byUnit(runs) {
		for i, second := range of {
			for _, first := range of[:i] {
				if second.Kind == Global || first.Host == second.Host {
					continue
				}
				from, to := second.Start, min(first.until(now), second.until(now))
				from, length := executed(from, to, pauses, first.Host, second.Host, now)
				if length > 0 {
					all = append(all, Overlap{First: first, Second: second, From: from, For: length})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b Overlap) int { return cmp.Compare(a.From, b.From) })
	return all
}

// executed is how much of a time none of the hosts was paused, and since when.
func executed(from, to Moment, pauses []Pause, a, b string, now Moment) (Moment, time.Duration) {
	type part struct{ from, to Moment }
	left := []part{{from, to}}
	for _, p := range pauses {
		if p.Host != a && p.Host != b {
			continue
		}
		end := p.To
		if end == 0 {
			end = now
		}
		var next []part
		for _, l := range left {
			next = append(next, part{l.from, min(l.to, p.From)}, part{max(l.from, end), l.to})
		}
		left = next
	}
	var sum time.Duration
	first := to
	for _, l := range left {
		if l.to > l.from {
			sum += l.to.Sub(l.from)
			first = min(first, l.from)
		}
	}
	return first, sum
}

// Gap is a time in which no host ran a unit that had run before and ran again.
type Gap struct {
	Unit     unit.Name
	Kind     Kind
	From, To Moment
	Before   string // the host that ran it last
	After    string // the host that ran it next
}

// Length is how long the unit was away.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

func (g Gap) String() string {
	return fmt.Sprintf("%s (%s) was nowhere for %s from %s: from %s to %s", g.Unit, g.Kind, g.Length().Round(time.Millisecond), g.From, g.Before, g.After)
}

// Gaps returns the times between runs of each unit but global ones, the longest first.
func Gaps(runs []Run) []Gap {
	var all []Gap
	for name, of := range byUnit(runs) {
		if of[0].Kind == Global {
			continue
		}
		last := of[0] // the one that ended last so far
		for _, next := range of[1:] {
			if last.End != 0 && next.Start > last.End {
				all = append(all, Gap{Unit: name, Kind: next.Kind, From: last.End, To: next.Start, Before: last.Host, After: next.Host})
			}
			if last.End != 0 && (next.End == 0 || next.End > last.End) {
				last = next
			}
		}
	}
	slices.SortFunc(all, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(b.Length(), a.Length()), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.From, b.From))
	})
	return all
}
