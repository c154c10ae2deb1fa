package record

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"fleet/unit"
)

// Kind is what a unit's own file says about copies of it.
type Kind string

// The kinds.
const (
	Plain      Kind = "plain"
	AtMostOnce Kind = "AtMostOnce"
	Global     Kind = "global" // has a copy on every machine
)

// Moment is a time of CLOCK_MONOTONIC, which all hosts share.
type Moment time.Duration

// Now is the present.
func Now() Moment {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // the kernel has had it since 2.6
	}
	return Moment(t.Nano())
}

// Sub is how long m is after o.
func (m Moment) Sub(o Moment) time.Duration { return time.Duration(m - o) }

func (m Moment) String() string { return fmt.Sprintf("%.3f", time.Duration(m).Seconds()) }

// Run is one invocation of a unit on one host: from when systemd began to start it until
// none of its processes was left.
type Run struct {
	Unit       unit.Name
	Kind       Kind
	Host       string
	Invocation string
	Start      Moment
	End        Moment // 0: it still runs
	Died       bool   // it ended with its host
}

func (r Run) String() string {
	end := "…"
	if r.End != 0 {
		end = r.End.String()
	}
	if r.Died {
		end += " (host died)"
	}
	return fmt.Sprintf("%s %s-%s %.8s", r.Host, r.Start, end, r.Invocation)
}

// until is when the run ended, or now.
func (r Run) until(now Moment) Moment {
	if r.End == 0 {
		return now
	}
	return r.End
}

// byUnit sorts runs into those of each unit, by their start.
func byUnit(runs []Run) map[unit.Name][]Run {
	all := make(map[unit.Name][]Run)
	for _, r := range runs {
		all[r.Unit] = append(all[r.Unit], r)
	}
	for _, of := range all {
		slices.SortStableFunc(of, func(a, b Run) int { return cmp.Compare(a.Start, b.Start) })
	}
	return all
}
