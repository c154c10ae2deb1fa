package unit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// spanUnits are the units of systemd's time spans, see systemd.time(7).
var spanUnits = map[string]time.Duration{
	"us": time.Microsecond, "usec": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond,
	"": time.Second, "s": time.Second, "sec": time.Second, "second": time.Second, "seconds": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute, "minutes": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour, "hours": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "days": 24 * time.Hour,
	"w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour, "weeks": 7 * 24 * time.Hour,
}

// maxSpan is the longest time span that can be given, some hundred years.
const maxSpan = 100 * 365 * 24 * time.Hour

// ParseSpan reads a time span as systemd writes them: "90", "1min 30s", "2h". A number without a unit is in
// seconds. Months and years, whose length is a convention, are not known, nor is infinity.
func ParseSpan(s string) (time.Duration, error) {
	bad := fmt.Errorf("%s is no time span such as 30s or 5min", excerpt(s))
	rest := strings.TrimSpace(s)
	if rest == "" {
		return 0, bad
	}
	var sum float64
	for rest != "" {
		end := strings.IndexFunc(rest, func(c rune) bool { return (c < '0' || c > '9') && c != '.' })
		if end < 0 {
			end = len(rest)
		}
		n, err := strconv.ParseFloat(rest[:end], 64)
		if err != nil {
			return 0, bad
		}
		rest = strings.TrimLeft(rest[end:], space)
		end = strings.IndexAny(rest, "0123456789."+space)
		if end < 0 {
			end = len(rest)
		}
		one, ok := spanUnits[rest[:end]]
		if !ok {
			return 0, bad
		}
		rest = strings.TrimLeft(rest[end:], space)
		sum += n * float64(one)
		if sum > float64(maxSpan) {
			return 0, fmt.Errorf("%s is too long", excerpt(s))
		}
	}
	return time.Duration(sum), nil
}
