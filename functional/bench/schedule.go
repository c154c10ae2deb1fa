package main

import (
	"context"
	"strings"
)

// schedule measures engine/schedule with the benchmarks there.
func schedule(ctx context.Context, o options) ([]row, error) {
	const brain = "./engine/schedule"
	if o.only != "" {
		return aimed(goBench{packages: brain, pattern: o.only}.run(ctx, o))
	}
	rows, err := goBench{packages: brain, pattern: "^Benchmark(Place|Decide|Leader|Memory)$"}.run(ctx, o)
	if err != nil {
		return nil, err
	}
	o.count = 1 // how well units are packed does not change from run to run
	quality, err := goBench{packages: brain, pattern: "^BenchmarkQuality$"}.run(ctx, o)
	return aimed(append(rows, quality...), err)
}

// aimed gives the rows their reaches.
func aimed(rows []row, err error) ([]row, error) {
	if err != nil {
		return nil, err
	}
	for i := range rows {
		aimOfSchedule(&rows[i])
	}
	rows = append(rows, meansOfQuality(rows)...)
	aimOfQuality(rows)
	return rows, nil
}

// placementsPerSecond are the reaches by size and kind of unit. With rules that every
// machine has to be asked about it may be half of that without.
var placementsPerSecond = map[string]map[string]float64{
	"10000":  {"one-by-one": 500_000, "batch": 5_000_000, "metadata": 250_000, "spread": 250_000},
	"100000": {"one-by-one": 100_000, "batch": 5_000_000, "metadata": 50_000, "spread": 50_000},
}

// aimOfSchedule: the loop of decisions, which reads and makes no records, is what most of it is about.
func aimOfSchedule(r *row) {
	size, kind, _ := strings.Cut(r.Case, "/")
	machines, _, _ := strings.Cut(size, "x")
	if r.Bench == "place" {
		switch r.Metric {
		case "placements/s":
			if at, ok := placementsPerSecond[machines][kind]; ok {
				r.aim(atLeast, at)
			}
		case "allocs/placement":
			r.aim(atMost, 0)
		}
	}
	switch {
	case r.Metric == "p99" && machines == "10000":
		r.aim(below, 100)
	case r.Bench == "leader" && size == "10000x100":
		r.aim(below, 5)
	case r.Metric == "slowdown":
		r.aim(atMost, 1.1) // it should be 1; the rest is what measuring twice costs in accuracy
	}
}

// meansOfQuality are over all traces, for each rule.
func meansOfQuality(rows []row) []row {
	var means []row
	at := make(map[key]int)
	count := make(map[key]float64)
	for _, r := range rows {
		_, policy, ok := cutLast(r.Case, "/")
		if r.Bench != "quality" || !ok {
			continue
		}
		r.Case = "mean/" + policy
		i, seen := at[r.key()]
		if !seen {
			at[r.key()] = len(means)
			count[r.key()] = 1
			means = append(means, r)
			continue
		}
		means[i].Value += r.Value
		count[r.key()]++
	}
	for i := range means {
		means[i].Value /= count[means[i].key()]
	}
	return means
}

// ours is the case of our own rule in the bench of quality, beside those of others on the same trace.
const ours = "ours"

// aimOfQuality: on each trace ours is to be as good as the best of the others.
func aimOfQuality(rows []row) {
	type figure struct{ trace, metric string }
	best := make(map[figure]float64)
	for _, r := range rows {
		trace, policy, _ := cutLast(r.Case, "/")
		if of := (figure{trace, r.Metric}); r.Bench == "quality" && policy != ours {
			best[of] = max(best[of], r.Value)
		}
	}
	for i := range rows {
		trace, policy, _ := cutLast(rows[i].Case, "/")
		if at, ok := best[figure{trace, rows[i].Metric}]; ok && rows[i].Bench == "quality" && policy == ours {
			rows[i].aim(atLeast, at)
		}
	}
}
