package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"fleet/functional/record"
)

// verdict is what came of a run.
type verdict struct {
	faults   int
	kinds    map[string]int // by fault
	requests int
	runs     int
	once     int // runs of AtMostOnce units

	overlaps  []record.Overlap // of AtMostOnce units: there must be none
	evidence  string           // what the hosts of the first overlap said
	twice     map[record.Kind]int
	worst     time.Duration // the longest overlap of plain units
	longest   map[record.Kind]record.Gap
	settled   time.Duration // how long it took after everything was healed
	late      []string      // what was not as asked for then
	leftovers []string
}

func (v *verdict) failed() bool {
	return len(v.overlaps) > 0 || len(v.late) > 0 || len(v.leftovers) > 0 || v.once == 0
}

// judge reads the record.
func (x *chaos) judge(ctx context.Context, v *verdict) error {
	ctx, cancel := context.WithTimeout(ctx, stepDeadline)
	defer cancel()
	if err := x.witness.Flush(ctx); err != nil {
		return err
	}
	runs := x.witness.Runs(x.start)
	v.runs = len(runs)
	for _, r := range runs {
		if r.Kind == record.AtMostOnce {
			v.once++
		}
	}
	for _, o := range record.Overlaps(runs, nil, record.Now()) {
		v.twice[o.Second.Kind]++
		if o.Second.Kind == record.AtMostOnce {
			v.overlaps = append(v.overlaps, o)
			continue
		}
		v.worst = max(v.worst, o.For)
	}
	for _, g := range record.Gaps(runs) { // the longest first
		if _, seen := v.longest[g.Kind]; !seen && strings.HasPrefix(string(g.Unit), "steady") {
			v.longest[g.Kind] = g
		}
	}
	if len(v.overlaps) > 0 {
		v.evidence = x.evidence(ctx, v.overlaps[0])
	}
	return nil
}

// evidence is what both hosts' systemd, fleetd and fence said around an overlap.
func (x *chaos) evidence(ctx context.Context, o record.Overlap) string {
	wall := func(m record.Moment) int64 { return x.began.Add(m.Sub(x.start)).Unix() }
	var text strings.Builder
	for _, h := range x.Hosts() {
		if h.Name != o.First.Host && h.Name != o.Second.Host {
			continue
		}
		out, err := h.Exec(ctx, "journalctl", "--no-pager", "--output=short-monotonic",
			"--unit="+fleetd, "--unit="+fence, "--unit="+string(o.First.Unit),
			fmt.Sprintf("--since=@%d", wall(o.From)-20), fmt.Sprintf("--until=@%d", wall(o.From)+10))
		fmt.Fprintf(&text, "%s:\n%s", h.Name, out)
		if err != nil {
			fmt.Fprintln(&text, err)
		}
	}
	return text.String()
}

func (v *verdict) print(out io.Writer) {
	fmt.Fprintf(out, "\n%d faults:\n", v.faults)
	for _, name := range slices.Sorted(maps.Keys(v.kinds)) {
		fmt.Fprintf(out, "  %3d %s\n", v.kinds[name], name)
	}
	fmt.Fprintf(out, "%d requests, %d runs of units, %d of them of units that say AtMostOnce and ignore SIGTERM\n", v.requests, v.runs, v.once)
	fmt.Fprintf(out, "overlaps of AtMostOnce units: %d\n", len(v.overlaps))
	fmt.Fprintf(out, "overlaps of plain units, whose machine could not be seen: %d, the longest %s\n", v.twice[record.Plain], v.worst.Round(time.Millisecond))
	for _, kind := range []record.Kind{record.Plain, record.AtMostOnce} {
		if g, ok := v.longest[kind]; ok {
			fmt.Fprintf(out, "longest gap of a steady unit: %s\n", g)
		}
	}
	fmt.Fprintf(out, "at rest %s after everything was healed\n", v.settled.Round(100*time.Millisecond))
	for _, o := range v.overlaps {
		fmt.Fprintf(out, "OVERLAP: %s\n", o)
	}
	if v.evidence != "" {
		fmt.Fprintln(out, v.evidence)
	}
	for _, what := range append(v.late, v.leftovers...) {
		fmt.Fprintf(out, "NOT AT REST: %s\n", what)
	}
	switch {
	case v.once == 0:
		fmt.Fprintln(out, "no AtMostOnce unit ever ran: this proves nothing")
	case v.failed():
		fmt.Fprintln(out, "it did not hold")
	default:
		fmt.Fprintln(out, "it held")
	}
}
