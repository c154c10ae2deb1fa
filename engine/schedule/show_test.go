package schedule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/cluster"
	"fleet/unit"
)

// show is the whole of what the engine has written.
func (s *sim) show() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(s.orders)) {
		o, h := s.orders[id], s.hosts[id]
		fmt.Fprintf(&b, "%s", id)
		switch {
		case h.record == nil:
			fmt.Fprint(&b, " (lost)")
		case h.silent:
			fmt.Fprint(&b, " (silent)")
		case o.Session != h.record.Session:
			fmt.Fprint(&b, " (returned)")
		case s.settings[id].Cordoned:
			fmt.Fprint(&b, " (cordoned)")
		case s.emptied(h):
			fmt.Fprint(&b, " (draining)")
		}
		fmt.Fprint(&b, ":")
		for _, name := range slices.Sorted(maps.Keys(o.Units)) {
			fmt.Fprintf(&b, " %s", name)
			if o.Units[name].Desired == cluster.Loaded {
				fmt.Fprint(&b, "[loaded]")
			}
			if from := s.takesFrom(name, id); from != "" {
				fmt.Fprintf(&b, "[takes from %s]", from)
			}
			if n := o.Units[name].Fence; n != 0 {
				fmt.Fprintf(&b, "[fence %d]", n)
			}
			if o.Units[name].Unbound {
				fmt.Fprint(&b, "[unbound]")
			}
		}
		if h.record != nil {
			fmt.Fprint(&b, s.showRoom(h))
		}
		fmt.Fprintln(&b)
	}
	for _, name := range slices.Sorted(maps.Keys(s.pending)) {
		p := s.pending[name]
		place := ""
		if p.Place != "" {
			place = " on " + string(p.Place)
		}
		fmt.Fprintf(&b, "pending %s%s: %s%s\n", name, place, waits(p.Waiting), p)
	}
	for _, name := range slices.Sorted(maps.Keys(s.failures)) {
		fmt.Fprintf(&b, "failures %s: %s\n", name, s.showFailures(s.failures[name]))
	}
	return b.String()
}

// showRoom says what of the resources that a machine states is taken.
func (s *sim) showRoom(h *host) string {
	limits, taken := s.limits(h), total(s.taken(h))
	var parts []string
	for _, key := range resourceOrder(limits) {
		if limits[key] > 0 && key != unit.Slots {
			parts = append(parts, fmt.Sprintf("%s %s of %s", key, inWords(key, taken[key]), inWords(key, limits[key])))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func inWords(resource string, n int64) string {
	switch resource {
	case unit.CPU:
		return fmt.Sprint(float64(n) / 1000)
	case unit.Memory, unit.Disk:
		for _, u := range []struct {
			suffix string
			size   int64
		}{{"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}} {
			if n >= u.size {
				return fmt.Sprintf("%.4g%s", float64(n)/float64(u.size), u.suffix)
			}
		}
	}
	return fmt.Sprint(n)
}

// showFailures tells the story of a unit; times are since the beginning of the scenario.
func (s *sim) showFailures(f cluster.Failures) string {
	at := func(t time.Time) string { return t.Sub(time.Unix(1e9, 0)).String() }
	var parts []string
	for _, try := range f.Tries {
		parts = append(parts, fmt.Sprintf("%s on %s at %s", try.Result, try.Machine, at(try.At)))
	}
	story := strings.Join(parts, ", ")
	switch {
	case f.Parked:
		story += "; parked"
	case !f.Next.IsZero():
		story += "; next at " + at(f.Next)
	}
	return story
}

func waits(waiting bool) string {
	if waiting {
		return "(waiting) "
	}
	return ""
}

func trace(steps []Step) string {
	var b strings.Builder
	for i, step := range steps {
		if i > 0 {
			b.WriteString("then\n")
		}
		b.WriteString(traceLosses(step))
		for _, note := range step.Notes {
			on := ""
			if note.Machine != "" {
				on = " on " + string(note.Machine)
			}
			pending := ""
			if p := step.Pending[note.Unit]; p != nil && note.Action == Pend {
				pending = waits(p.Waiting)
			}
			fmt.Fprintf(&b, "%s %s%s: %s%s\n", note.Action, note.Unit, on, pending, note.Reason)
		}
		for id := range step.Orders {
			if len(step.Notes) == 0 {
				fmt.Fprintf(&b, "orders of %s, written anew\n", id)
			}
		}
		if n := len(step.Collect); n > 0 {
			fmt.Fprintf(&b, "collect %d files\n", n)
		}
	}
	return b.String()
}
