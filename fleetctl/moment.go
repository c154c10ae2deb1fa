package main

import (
	"fmt"
	"time"
)

// moment is a point in time: as people speak of it ("3min 5s ago"), or in full
// as RFC 3339 has it. It is empty for the zero time, which is not known.
func moment(t, now time.Time, full bool) string {
	switch {
	case t.IsZero():
		return ""
	case full:
		return t.Local().Format(time.RFC3339)
	}
	return ago(now.Sub(t)) + " ago"
}

// ago is a duration in the two largest units that it has. Clocks of two hosts
// may differ, so that less than nothing is possible, and means just now.
func ago(d time.Duration) string {
	s := max(0, int64(d/time.Second))
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 60*60:
		return fmt.Sprintf("%dmin %ds", s/60, s%60)
	case s < 24*60*60:
		return fmt.Sprintf("%dh %dmin", s/3600, s/60%60)
	case s < 2*24*60*60:
		return fmt.Sprintf("1 day %dh", s/3600%24)
	}
	return fmt.Sprintf("%d days %dh", s/86400, s/3600%24)
}
